import { randomBytes, randomUUID } from 'node:crypto'

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'
const LENGTH = 20
/** The largest multiple of the alphabet's size in a byte: bytes from there on would favour its first letters. */
const FAIR = 256 - (256 % ALPHABET.length)
const SANDBOX_ID = /^[a-z0-9]{20}$/

/** 20 characters of [a-z0-9], each as likely: 103 random bits. Fits in a host name beside a port. */
export function newSandboxId(): string {
  let id = ''
  while (id.length < LENGTH) {
    for (const byte of randomBytes(LENGTH + 8)) {
      if (byte < FAIR && id.length < LENGTH) id += ALPHABET[byte % ALPHABET.length]
    }
  }
  return id
}

/** `wh_` and 20 characters of [a-z0-9]. */
export function newWebhookId(): string {
  return `wh_${newSandboxId()}`
}

/** `p` and 20 hexadecimal digits. From Node's store of random bytes: asking the kernel for each is a good part of a short command. */
export function newProcessId(): string {
  return `p${randomUUID().replaceAll('-', '').slice(0, 20)}`
}

/** Only then may it become a path segment or a container's name. */
export function isSandboxId(text: string): boolean {
  return SANDBOX_ID.test(text)
}
