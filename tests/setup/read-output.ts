const HEADER_BYTES = 8

/** The payload of Docker's multiplexed stream (8-byte header, length in its last four bytes), as text. For small outputs. */
export async function readOutput(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  const bytes = Buffer.concat(chunks)
  const payloads: Buffer[] = []
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const start = at + HEADER_BYTES
    at = start + bytes.readUInt32BE(at + 4)
    payloads.push(bytes.subarray(start, at))
  }
  return Buffer.concat(payloads).toString('utf8')
}
