import { reasonAgainstText } from './sensitive-values.ts'

/**
 * Names of claims that hold personal data or secrets. Not here, although some tokens carry them: what is meant to be shown
 * (`name`, `nickname`, `preferred_username`, `picture`, `profile`, `locale`), and what only speaks of such data
 * (`email_verified`, `password_changed_at`, `card_last4`).
 *
 * A name matches in any spelling (`phoneNumber`, `Phone-Number`), in the plural, and as the end of a longer one
 * (`user_email`). The last segment of a claim that is named by a URL counts as its name.
 */
const PERSONAL = [
  'email',
  'emailAddress',
  'phone',
  'phoneNumber',
  'telephone',
  'telephoneNumber',
  'mobileNumber',
  'mobilePhone',
  'cellPhone',
  'msisdn',
  'ssn',
  'socialSecurityNumber',
  'nationalId',
  'nationalIdNumber',
  'nationalInsuranceNumber',
  'taxId',
  'taxpayerId',
  'passportNumber',
  'driverLicense',
  'driverLicenseNumber',
  'driversLicense',
  'drivingLicence',
  'drivingLicenceNumber',
  'birthdate',
  'birthday',
  'dateOfBirth',
  'dob',
  'givenName',
  'familyName',
  'middleName',
  'maidenName',
  'firstName',
  'lastName',
  'fullName',
  'surname',
  'streetAddress',
  'homeAddress',
  'billingAddress',
  'shippingAddress',
  'postalAddress',
  'mailingAddress',
]

const PAYMENT = [
  'cardNumber',
  'creditCard',
  'creditCardNumber',
  'debitCard',
  'debitCardNumber',
  'cvv',
  'cvv2',
  'cvc',
  'cvc2',
  'iban',
  'bankAccount',
  'bankAccountNumber',
  'routingNumber',
]

const SECRET = [
  'password',
  'passwordHash',
  'passwd',
  'pwd',
  'passphrase',
  'passcode',
  'secret',
  'clientSecret',
  'secretKey',
  'secretAccessKey',
  'privateKey',
  'masterKey',
  'apiKey',
  'apiToken',
  'apiSecret',
  'accessToken',
  'refreshToken',
  'idToken',
  'authToken',
  'bearerToken',
  'sessionToken',
  'connectionString',
  'recoveryCode',
  'backupCode',
  'securityAnswer',
  'seedPhrase',
]

/** Too common as the end of other names: `ip_address`, `is_mobile`, `digital_passport`. */
const WHOLE_NAME_ONLY = ['address', 'mobile', 'passport', 'pin', 'otp']

/** What the name of a claim says about it. */
export interface NameVerdict {
  /** Why the claim is not to be readable; undefined when it may be. */
  readonly reason?: string
  /** The name itself is an e-mail address, a card number or the like, so errors must not repeat it. */
  readonly isData: boolean
}

const MOST_NAME_CHARS = 200
const MOST_REMEMBERED = 1_000
const remembered = new Map<string, NameVerdict>()

export function judgeName(name: string): NameVerdict {
  const known = remembered.get(name)
  if (known !== undefined) return known
  const isData = reasonAgainstText(name) !== undefined
  const reason = isData ? 'its name is itself sensitive data' : findReason(name)
  const verdict = reason === undefined ? { isData } : { reason, isData }
  // Names come from programs and are few; names that come from users must not fill the memory.
  if (remembered.size < MOST_REMEMBERED && name.length < 100 && !isData) remembered.set(name, verdict)
  return verdict
}

/** Whether a claim of this name is a postal address only if its text has spaces: hosts and wallets have addresses too. */
export function isPostalName(name: string): boolean {
  return wordsOf(name).join('') === 'address'
}

function findReason(name: string): string | undefined {
  const segment = segmentOf(name)
  if (!endsLikeListed(segment)) return undefined
  const words = splitWords(segment)
  const whole = WHOLE.get(words.join(''))
  if (whole !== undefined) return whole
  let reason: string | undefined
  let end = ''
  for (let first = words.length - 1; first >= 0 && end.length <= LONGEST_END; first--) {
    end = `${words[first]}${end}`
    // The longest that is listed says most.
    reason = ENDS.get(end) ?? (end.endsWith('s') ? ENDS.get(end.slice(0, -1)) : undefined) ?? reason
  }
  return reason
}

/** Tells most names from those that are listed at a glance: by three letters, before or in place of an `s`. */
function endsLikeListed(segment: string): boolean {
  const letters = segment.toLowerCase().replace(/[^a-z0-9]+/g, '')
  return (
    LAST_LETTERS.has(letters.slice(-3)) || (letters.endsWith('s') && LAST_LETTERS.has(letters.slice(-4, -1)))
  )
}

/** `https://example.com/userPhone-Numbers` is `user`, `phone`, `numbers`. */
function wordsOf(name: string): readonly string[] {
  return splitWords(segmentOf(name))
}

function splitWords(segment: string): readonly string[] {
  return segment
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
}

/**
 * The last segment of a URL. Of a long name only the end is looked at, which is what names are judged by: anybody may choose
 * the names in a token that is inspected.
 */
function segmentOf(name: string): string {
  const start = Math.max(name.lastIndexOf('/'), name.lastIndexOf(':'), name.lastIndexOf('#')) + 1
  return name.slice(Math.max(start, name.length - MOST_NAME_CHARS))
}

const ENDS: ReadonlyMap<string, string> = new Map([
  ...reasons(PERSONAL, 'its name says that it is personal data'),
  ...reasons(PAYMENT, 'its name says that it is payment data'),
  ...reasons(SECRET, 'its name says that it is a secret'),
])
const LONGEST_END: number = Math.max(...[...ENDS.keys()].map((end) => end.length))
const WHOLE: ReadonlyMap<string, string> = new Map(
  reasons(WHOLE_NAME_ONLY, 'its name says that it is personal data or a secret'),
)
const LAST_LETTERS: ReadonlySet<string> = new Set(
  [...ENDS.keys(), ...WHOLE.keys()].map((name) => name.slice(-3)),
)

function reasons(names: readonly string[], reason: string): (readonly [string, string])[] {
  return names.map((name) => [name.toLowerCase(), reason] as const)
}
