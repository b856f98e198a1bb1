import { readFileSync } from 'node:fs'

const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24

/**
 * Why a write-ahead log holds less than was committed to it, or null. SQLite itself stops at the first frame that is not right and
 * tells nobody. Read before it is opened. What comes after the last commit is nothing that anybody was told
 * (https://sqlite.org/fileformat.html, section 4).
 */
export function lossOf(walFile: string): string | null {
  let bytes: Buffer
  try {
    bytes = readFileSync(walFile)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'its write-ahead log is missing'
    throw error
  }
  if (bytes.length < HEADER_BYTES) return 'its write-ahead log is empty'
  const magic = bytes.readUInt32BE(0)
  if (magic !== 0x377f0682 && magic !== 0x377f0683) return 'its write-ahead log can not be read'
  const sum = new Checksum(magic === 0x377f0683)
  sum.add(bytes, 0, 24)
  if (!sum.is(bytes, 24)) return 'its write-ahead log can not be read'
  const frameBytes = FRAME_HEADER_BYTES + bytes.readUInt32BE(8)
  let intact = true
  for (let at = HEADER_BYTES; at + frameBytes <= bytes.length; at += frameBytes) {
    // Of another generation: left from before the log began anew.
    const current = bytes.compare(bytes, 16, 24, at + 8, at + 16) === 0
    if (intact) {
      sum.add(bytes, at, 8)
      sum.add(bytes, at + FRAME_HEADER_BYTES, frameBytes - FRAME_HEADER_BYTES)
      intact = current && sum.is(bytes, at + 16)
    } else if (current && bytes.readUInt32BE(at + 4) !== 0) return 'its write-ahead log is damaged in the middle'
  }
  return null
}

class Checksum {
  readonly #bigEndian: boolean
  #first = 0
  #second = 0

  constructor(bigEndian: boolean) {
    this.#bigEndian = bigEndian
  }

  add(bytes: Buffer, offset: number, length: number): void {
    const read = this.#bigEndian ? bytes.readUInt32BE.bind(bytes) : bytes.readUInt32LE.bind(bytes)
    for (let at = offset; at < offset + length; at += 8) {
      this.#first = (this.#first + read(at) + this.#second) >>> 0
      this.#second = (this.#second + read(at + 4) + this.#first) >>> 0
    }
  }

  is(bytes: Buffer, offset: number): boolean {
    return bytes.readUInt32BE(offset) === this.#first && bytes.readUInt32BE(offset + 4) === this.#second
  }
}
