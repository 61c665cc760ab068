/** Takes the place of msgpackr in the bundle: the state is JSON, and lmdb uses msgpackr for other encodings only. */
export class Encoder {
  constructor() {
    throw new Error('the database of the state has JSON values only')
  }
}
