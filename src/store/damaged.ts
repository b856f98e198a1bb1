/** The file is no whole database: nothing of it can be relied on. `message` says what was seen. */
export class DamagedDatabase extends Error {
  override readonly name = 'DamagedDatabase'
}
