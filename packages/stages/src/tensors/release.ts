/**
 * Gives back the memory of a copy that nobody will look at again. The collector would get to it in its own time, and a few copies of
 * a model are more than all else that the process holds.
 */
export const release = (values: Float32Array): void => {
  const { buffer } = values
  // Small buffers may be parts of the pool that all of Node shares, and are not worth it.
  if (buffer instanceof ArrayBuffer && buffer.byteLength > Buffer.poolSize && !buffer.detached)
    buffer.transfer(0)
}
