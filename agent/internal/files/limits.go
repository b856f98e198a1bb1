package files

// maxWalked bounds the entries that one search, or one change of attributes, looks at.
const maxWalked = 1_000_000
