// SHA-256 of a file of any size, read in slices beside the page: WebCrypto would want it whole in memory.
importScripts("sha256.js");

const SLICE = 8 * 1024 * 1024;

self.onmessage = async ({ data: file }) => {
  try {
    const digest = await hashwasm.createSHA256();
    digest.init();
    for (let start = 0; start < file.size; start += SLICE) {
      digest.update(new Uint8Array(await file.slice(start, start + SLICE).arrayBuffer()));
    }
    self.postMessage({ sha256: digest.digest("hex") });
  } catch (error) {
    self.postMessage({ problem: `${file.name} cannot be read: ${error.message}` });
  }
};
