"""The configuration of an edge's web server. Pure."""

from pathlib import Path

__all__ = ["render"]


def render(root: Path, port: int, agent_url: str, binds: tuple[str, ...] = ("127.0.0.1",)) -> str:
    """A Caddyfile that serves ``root/www`` on loopback under any host name, and asks the agent for what is not there.

    Versions are immutable and cached for a year; pointers are checked every time (``no-cache``). ``?`` sets a header
    only where the answer has none, so that the agent's refusals are not cached as if they were media.
    """
    agent = agent_url.removeprefix("http://")
    return f"""{{
	admin off
	auto_https off
	persist_config off
	storage file_system "{root / "caddy"}"
	log {{
		output stderr
		level WARN
	}}
	servers {{
		protocols h1 h2
	}}
}}

http://:{port} {{
	bind {" ".join(binds)}
	root * "{root / "www"}"

	header ?Access-Control-Allow-Origin *
	header ?Access-Control-Expose-Headers "Content-Length, Content-Range, ETag, Date"
	header ?X-Content-Type-Options nosniff
	header -Server

	@versions path /p/*
	header @versions ?Cache-Control "public, max-age=31536000, immutable"
	@pointers path /t/*
	header @pointers ?Cache-Control no-cache
	@segments path *.m4s
	header @segments Content-Type video/iso.segment
	@dash path *.mpd
	header @dash Content-Type application/dash+xml
	@hls path *.m3u8
	header @hls Content-Type application/vnd.apple.mpegurl

	@preflight method OPTIONS
	handle @preflight {{
		header Access-Control-Allow-Methods "GET, HEAD, OPTIONS"
		header Access-Control-Allow-Headers "Range, If-None-Match"
		header Access-Control-Max-Age 86400
		respond 204
	}}
	handle /healthz {{
		respond "ok" 200
	}}
	@hidden path *.part *.etag */.*
	handle @hidden {{
		respond 404
	}}
	@absent not file
	handle @absent {{
		reverse_proxy {agent} {{
			header_up -X-Forwarded-Host
			flush_interval -1
		}}
	}}
	handle {{
		file_server {{
			etag_file_extensions .etag
		}}
	}}
}}
"""
