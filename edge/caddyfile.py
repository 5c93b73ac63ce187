"""The configuration of an edge's web server. Pure."""

from collections.abc import Sequence

from edge.content_types import CONTENT_TYPES

__all__ = ["render"]


def render(port: int, agent_url: str, addresses: Sequence[str]) -> str:
    """A Caddyfile that serves ``www/`` of the working folder, and asks the agent for what is not there.

    Any host name is answered on ``addresses``. Versions are immutable and cached for a year, pointers are checked
    every time (``no-cache``). No path of this machine is in it, so none needs quoting.
    """
    return f"""{{
	admin off
	auto_https off
	persist_config off
	skip_install_trust
	grace_period 3s
	log {{
		output stderr
		level WARN
	}}
	servers {{
		protocols h1
		timeouts {{
			read_header 10s
			idle 2m
		}}
	}}
}}

http://:{port} {{
	bind {" ".join(addresses)}
	root * www
	route {{
{_HEADERS}
{_ANSWERS}
		# dialling is tried again for as long as an agent takes to restart
		reverse_proxy @absent {agent_url} {{
			lb_try_duration 8s
			lb_try_interval 100ms
			header_up -Authorization
			header_up -Cookie
			header_up -X-Forwarded-Host
		}}
{_content_types()}
		file_server {{
			etag_file_extensions .etag
			hide *.etag
		}}
	}}
	handle_errors {{
		header {{
			Access-Control-Allow-Origin *
			Cache-Control no-store
			-Server
		}}
		respond "{{err.status_code}} {{err.status_text}}"
	}}
}}
"""


_HEADERS = """\
		header {
			Access-Control-Allow-Origin *
			Access-Control-Expose-Headers "Content-Length, Content-Range, Date, ETag"
			Timing-Allow-Origin *
			X-Content-Type-Options nosniff
			-Server
		}
		# '?': not where the agent answers for itself, so that its refusals are not cached as if they were media
		@versions path /p/*
		header @versions ?Cache-Control "public, max-age=31536000, immutable"
		@pointers path /t/*
		header @pointers ?Cache-Control no-cache
		@manifests path *.mpd *.m3u8
		encode @manifests gzip {
			match {
				header Content-Type application/dash+xml*
				header Content-Type application/vnd.apple.mpegurl*
			}
		}"""

_ANSWERS = """\
		respond /healthz ok 200
		@preflight method OPTIONS
		route @preflight {
			header {
				Access-Control-Allow-Methods "GET, HEAD, OPTIONS"
				Access-Control-Allow-Headers *
				Access-Control-Max-Age 86400
				Cache-Control no-store
			}
			respond 204
		}
		@unasked not method GET HEAD
		route @unasked {
			header {
				Allow "GET, HEAD, OPTIONS"
				Cache-Control no-store
			}
			respond 405
		}
		@foreign {
			not path /p/* /t/*
		}
		error @foreign 404
		@hidden path *.etag *.part */inventory.json */.*
		error @hidden 404
		@absent not file"""


def _content_types() -> str:
    """By the name of the file that is there."""
    lines = []
    for ending, found in CONTENT_TYPES.items():
        name = f"@type-{ending[1:]}"
        lines += [f"\t\t{name} path *{ending}", f"\t\theader {name} Content-Type {found}"]
    return "\n".join(lines)
