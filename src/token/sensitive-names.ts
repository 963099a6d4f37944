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
  const words = wordsOf(name)
  const whole = WHOLE.get(words.join(''))
  if (whole !== undefined) return whole
  for (let first = 0; first < words.length; first++) {
    const end = words.slice(first).join('')
    const reason = ENDS.get(end) ?? (end.endsWith('s') ? ENDS.get(end.slice(0, -1)) : undefined)
    if (reason !== undefined) return reason
  }
  return undefined
}

/** `https://example.com/userPhone-Numbers` is `user`, `phone`, `numbers`. */
function wordsOf(name: string): readonly string[] {
  const segment = name.slice(
    Math.max(name.lastIndexOf('/'), name.lastIndexOf(':'), name.lastIndexOf('#')) + 1,
  )
  return segment
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '')
}

const ENDS: ReadonlyMap<string, string> = new Map([
  ...reasons(PERSONAL, 'its name says that it is personal data'),
  ...reasons(PAYMENT, 'its name says that it is payment data'),
  ...reasons(SECRET, 'its name says that it is a secret'),
])
const WHOLE: ReadonlyMap<string, string> = new Map(
  reasons(WHOLE_NAME_ONLY, 'its name says that it is personal data or a secret'),
)

function reasons(names: readonly string[], reason: string): (readonly [string, string])[] {
  return names.map((name) => [name.toLowerCase(), reason] as const)
}
