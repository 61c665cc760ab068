/** Compresses one file, on the thread pool. */
export interface Compressor {
  /**
   * Returns the next bytes of output, which may belong to earlier input. Pushes may overlap; their
   * order is kept.
   */
  push(bytes: Buffer): Promise<Buffer>
  end(): Promise<Buffer>
}
