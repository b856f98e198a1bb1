const SENTENCES: Record<string, string> = {
  ECONNREFUSED: 'nothing accepts connections there',
  ECONNRESET: 'the connection was closed before an answer came',
  EPIPE: 'the connection was closed before an answer came',
  ETIMEDOUT: 'the connection could not be made in time',
  EHOSTUNREACH: 'its address can not be reached',
  ENETUNREACH: 'its address can not be reached',
  ENOTFOUND: 'its name has no address',
  ENODATA: 'its name has no address',
  ESERVFAIL: 'its name can not be resolved',
  ETIMEOUT: 'its name could not be resolved in time',
  EPROTO: 'it does not speak TLS there',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS there',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not of a known authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not of a known authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not of a known authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not of a known authority',
}

/** Why there was no answer, for the caller; nothing of addresses. */
export function sentenceOf(error: unknown): string {
  const { code = '' } = error as NodeJS.ErrnoException
  if (SENTENCES[code]) return SENTENCES[code]
  return code.startsWith('HPE_') ? 'what it answered is no HTTP' : 'the request failed'
}
