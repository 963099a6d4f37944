/** Says why text is not to be readable by everyone; undefined when it looks harmless. */
export function reasonAgainstText(text: string): string | undefined {
  if (text.length < 6) return undefined
  if (text.includes('@')) {
    if (URL_WITH_PASSWORD.test(text)) return 'its value looks like a URL with a password'
    if (holdsEmail(text)) return 'its value looks like an e-mail address'
  }
  if (text.includes('-----BEGIN ')) return 'its value looks like a PEM block'
  if (text.includes('eyJ') && SIGNED_TOKEN.test(text))
    return 'its value looks like a token that somebody could use'
  if (text.length >= SHORTEST_SSN && SSN.test(text)) return 'its value looks like a US social security number'
  if (text.length >= SHORTEST_CARD && holdsCardNumber(text)) return CARD_REASON
  return undefined
}

/** Numbers can only be card numbers: a social security number without its dashes is any number of nine digits. */
export function reasonAgainstNumber(value: number): string | undefined {
  if (!Number.isSafeInteger(value) || value < 1e13) return undefined
  return isCardNumber(String(value)) ? CARD_REASON : undefined
}

/** Whether text is a compact JWE: what it carries is hidden already. */
export function isEncrypted(text: string): boolean {
  if (!text.startsWith('eyJ') || !ENCRYPTED_TOKEN.test(text)) return false
  try {
    const header: unknown = JSON.parse(Buffer.from(text.slice(0, text.indexOf('.')), 'base64url').toString())
    return typeof header === 'object' && header !== null && 'alg' in header && 'enc' in header
  } catch {
    return false
  }
}

const SHORTEST_SSN = 11
const SHORTEST_CARD = 14
const CARD_REASON = 'its value looks like a payment card number'
const URL_WITH_PASSWORD = /:\/\/[^\s/@:]*:[^\s/@]+@/
// Base64url of `{"` is `eyJ`.
const SIGNED_TOKEN = /(?<![\w.-])eyJ[\w-]+\.[\w-]+\.[\w-]+(?![\w.-])/
const ENCRYPTED_TOKEN = /^eyJ[\w-]+\.[\w-]*\.[\w-]+\.[\w-]*\.[\w-]+$/
// Areas 000, 666 and 900 to 999, group 00 and serial 0000 are never issued.
const SSN = /(?<![\w-])(?!000|666|9)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])/

const LOCAL_PART = /[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~"-]/u
const DOMAIN = /[\p{L}\p{N}][\p{L}\p{N}.-]{0,253}\.(?:\p{L}{2,}|xn--[a-z0-9-]+)/uy

/** Looks around each `@`, since a pattern for the whole address would start at every character before it. */
function holdsEmail(text: string): boolean {
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    if (at === 0 || !LOCAL_PART.test(text.charAt(at - 1))) continue
    DOMAIN.lastIndex = at + 1
    if (DOMAIN.test(text)) return true
  }
  return false
}

// Digits alone, or in the groups that are printed on cards. Not inside an identifier, a UUID or a decimal fraction.
const CARD =
  /(?<![\w.-])(?:\d{14,16}|\d{19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5})(?![\w-]|\.\d)/g

function holdsCardNumber(text: string): boolean {
  CARD.lastIndex = 0
  for (let found = CARD.exec(text); found; found = CARD.exec(text)) {
    if (isCardNumber(found[0].replace(/[ -]/g, ''))) return true
  }
  return false
}

/**
 * Issuer identification ranges and lengths in use. Visa's old 13 digits are left out, since EAN-13 bar codes look the
 * same, and lengths of 17 and 18, since identifiers made of a time and a counter do.
 */
const ISSUERS: readonly RegExp[] = [
  /^4\d{15}$/, // Visa
  /^(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}$/, // Mastercard
  /^3[47]\d{13}$/, // American Express
  /^3(?:0[0-5]|09|[689]\d)\d{11}$/, // Diners Club
  /^(?:6011|64[4-9]\d|65\d{2})\d{12}$/, // Discover
  /^35(?:2[89]|[3-8]\d)\d{12}$/, // JCB
  /^62(?:\d{14}|\d{17})$/, // UnionPay
  /^(?:5018|5020|5038|5893|6304|6759|676[123])\d{12}$/, // Maestro
]

function isCardNumber(digits: string): boolean {
  return ISSUERS.some((issuer) => issuer.test(digits)) && passesLuhn(digits)
}

/** ISO/IEC 7812-1 annex B. */
function passesLuhn(digits: string): boolean {
  let sum = 0
  for (let index = 0; index < digits.length; index++) {
    const digit = digits.charCodeAt(digits.length - 1 - index) - 0x30
    const doubled = index % 2 === 0 ? digit : digit * 2
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}
