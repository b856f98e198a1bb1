'use strict'
// A value's forms, by MIME type, and how they are kept below a limit.

const { types } = require('util')
const { show } = require('errors.js')
const { bufferFrom, byteLength, bufferSlice, bufferText, endsWith, floor, keys, max, min, push, startsWith, stringify, text } = require('safe.js')

const DISPLAY = Symbol.for('Jupyter.display')

// Methods that make one form of a value, in the names of the notebooks for JavaScript and for Python.
const METHODS = {
  __proto__: null,
  _toHtml: 'text/html',
  toHtml: 'text/html',
  _repr_html_: 'text/html',
  _toSvg: 'image/svg+xml',
  _repr_svg_: 'image/svg+xml',
  _toPng: 'image/png',
  _repr_png_: 'image/png',
  _toJpeg: 'image/jpeg',
  _repr_jpeg_: 'image/jpeg',
  _toMarkdown: 'text/markdown',
  _repr_markdown_: 'text/markdown',
  _repr_latex_: 'text/latex',
  _repr_json_: 'application/json',
}
const NAMES = keys(METHODS)

// So many bytes of text are worth keeping beside another form.
const PREVIEW = 256

/** Whether a MIME type's value is JSON rather than a string. */
function isJson(mime) {
  return mime === 'application/json' || endsWith(mime, '+json')
}

function isBytes(value) {
  return types.isUint8Array(value) || types.isAnyArrayBuffer(value)
}

function base64(value) {
  return bufferText(types.isUint8Array(value) ? bufferFrom(value.buffer, value.byteOffset, value.byteLength) : bufferFrom(value), 'base64')
}

/** The value as an event may hold it. Throws for what is no JSON where JSON is asked for. */
function encode(mime, value) {
  if (isJson(mime)) return value === undefined ? null : value
  if (isBytes(value)) return startsWith(mime, 'text/') || mime === 'image/svg+xml' ? bufferText(bufferFrom(value), 'utf8') : base64(value)
  return typeof value === 'string' ? value : `${value}`
}

/** The image type that the first bytes say. */
function imageType(bytes) {
  const head = bufferText(bufferSlice(bufferFrom(types.isUint8Array(bytes) ? bytes.slice(0, 12) : bytes.slice(0, 12)), 0, 12), 'latin1')
  if (startsWith(head, '\x89PNG\r\n\x1a\n')) return 'image/png'
  if (startsWith(head, '\xff\xd8\xff')) return 'image/jpeg'
  if (startsWith(head, 'GIF8')) return 'image/gif'
  if (startsWith(head, 'RIFF') && text(head, 8, 12) === 'WEBP') return 'image/webp'
  return undefined
}

function addAll(data, bundle) {
  if (typeof bundle !== 'object' || bundle === null) return
  const mimes = keys(bundle)
  for (let index = 0; index < mimes.length; index++) data[mimes[index]] = encode(mimes[index], bundle[mimes[index]])
}

/** The forms that the value itself offers. */
function rich(data, value) {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function') || types.isProxy(value)) return
  const attempt = (name, use) => {
    try {
      if (typeof value[name] === 'function') use(value[name]())
    } catch {
      // A form that can't be made is no reason to show nothing.
    }
  }
  attempt(DISPLAY, (bundle) => addAll(data, bundle))
  attempt('_toMime', (bundle) => addAll(data, bundle))
  attempt('_repr_mimebundle_', (bundle) => addAll(data, bundle))
  for (let index = 0; index < NAMES.length; index++) {
    const mime = METHODS[NAMES[index]]
    if (mime in data) continue
    attempt(NAMES[index], (form) => {
      if (form !== null && form !== undefined && !types.isPromise(form)) data[mime] = encode(mime, form)
    })
  }
}

/** All forms of a value. `image`: whether bytes of an image are one. */
function forms(value, limit, image) {
  const data = { __proto__: null }
  rich(data, value)
  if (image && isBytes(value)) {
    const type = imageType(value)
    if (type) data[type] = base64(value)
  }
  if (!('text/plain' in data)) data['text/plain'] = show(value, typeof value === 'string' ? { maxStringLength: limit } : undefined)
  return data
}

/** `text`, cut so that it is at most `limit` bytes of JSON. */
function cut(whole, limit) {
  const bytes = bufferFrom(whole, 'utf8')
  let keep = max(0, limit - 64)
  for (;;) {
    const left = bytes.length - keep
    let head = bufferText(bufferSlice(bytes, 0, keep), 'utf8')
    if (endsWith(head, '\ufffd')) head = text(head, 0, -1)
    const result = `${head}\n… ${left} bytes left out`
    const size = byteLength(stringify(result))
    if (size <= limit || keep === 0) return result
    keep = floor((keep * limit * 0.95) / size)
  }
}

/** Leaves out the largest forms, until the rest has at most `limit` bytes; the names of those are the answer. */
function fit(data, limit) {
  const truncated = []
  const sizes = { __proto__: null }
  const names = keys(data)
  let total = 2
  for (let index = 0; index < names.length; index++) {
    const name = names[index]
    const json = stringify(data[name])
    if (json === undefined) data[name] = null
    sizes[name] = byteLength(json === undefined ? 'null' : json) + byteLength(name) + 4
    total += sizes[name]
  }
  const plain = 'text/plain'
  const reserved = plain in data ? min(sizes[plain], PREVIEW) : 0
  while (total > limit) {
    const others = total - (plain in data ? sizes[plain] : 0)
    let largest
    const rest = keys(data)
    for (let index = 0; index < rest.length; index++) {
      const name = rest[index]
      if (name !== plain && (largest === undefined || sizes[name] > sizes[largest])) largest = name
    }
    // The text is the largest, or all that is there: it is cut, if what is left is worth it.
    if (largest === undefined || (plain in data && sizes[plain] >= sizes[largest] && others + reserved <= limit)) {
      if (!(plain in data)) break
      data[plain] = cut(data[plain], limit - others - byteLength(plain) - 4)
      push(truncated, plain)
      break
    }
    push(truncated, largest)
    total -= sizes[largest]
    delete data[largest]
  }
  return truncated
}

module.exports = { encode, fit, forms, isBytes }
