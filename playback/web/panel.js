// The small panel beside the picture: what plays, from where, how well.

const REFRESH_MS = 500;

export function showStatus(video, facts, startedAt) {
  const fields = Object.fromEntries([...document.querySelectorAll("[data-fact]")].map((el) => [el.dataset.fact, el]));
  const meter = document.getElementById("buffer-meter");
  const show = (name, text) => {
    if (fields[name] && fields[name].textContent !== text) fields[name].textContent = text;
  };
  let startupS = null;
  video.requestVideoFrameCallback(() => {
    startupS = (performance.now() - startedAt) / 1000;
  });
  const timer = setInterval(() => {
    const { player, edges } = facts;
    const stats = player.getStats();
    const playing = player.getVariantTracks().find((track) => track.active);
    const buffered = bufferedAhead(video);
    show("edge", edges.current);
    show("rendition", playing ? rendition(playing) : "–");
    show("codecs", playing ? [playing.videoCodec, playing.audioCodec].filter(Boolean).join(" + ") : "–");
    show("startup", startupS === null ? "–" : `${startupS.toFixed(2)} s`);
    show("buffer", `${buffered.toFixed(1)} s`);
    show("throughput", stats.estimatedBandwidth ? rate(stats.estimatedBandwidth) : "–");
    show("frames", `${count(stats.decodedFrames)} shown, ${count(stats.droppedFrames)} dropped`);
    meter.value = Math.min(buffered, meter.max);
  }, REFRESH_MS);
  return () => clearInterval(timer);
}

export function rate(bps) {
  return bps >= 1e6 ? `${(bps / 1e6).toFixed(1)} Mb/s` : `${Math.round(bps / 1e3)} kb/s`;
}

function rendition(track) {
  return `${track.width}×${track.height} at ${rate(track.videoBandwidth ?? track.bandwidth)}`;
}

function count(frames) {
  return Number.isFinite(frames) ? frames.toLocaleString("en") : "–";
}

function bufferedAhead(video) {
  for (let i = 0; i < video.buffered.length; i += 1) {
    const [start, end] = [video.buffered.start(i), video.buffered.end(i)];
    if (start <= video.currentTime + 0.1 && video.currentTime <= end) return end - video.currentTime;
  }
  return 0;
}
