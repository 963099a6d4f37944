/** An error as the service answers it: the name goes into `__type`. */
export class KmsError extends Error {
  override readonly name: string
  readonly status: number

  /** The service answers nearly every refusal with 400, whatever its model says (seen in the logs of its users). */
  constructor(name: string, message = '', status = 400) {
    super(message)
    this.name = name
    this.status = status
  }
}

export function invalid(message: string): KmsError {
  return new KmsError('ValidationException', message)
}

/** One of the service's own constraints on a parameter. Parameters are named in lower camel case. */
export function violates(parameter: string, value: string | undefined, constraint: string): KmsError {
  const what = value === undefined ? 'Value' : `Value '${value}'`
  const path = parameter.charAt(0).toLowerCase() + parameter.slice(1)
  return invalid(
    `1 validation error detected: ${what} at '${path}' failed to satisfy constraint: Member must ${constraint}`,
  )
}

export function notFound(message: string): KmsError {
  return new KmsError('NotFoundException', message)
}

export function invalidState(arn: string, state: string): KmsError {
  return new KmsError('KMSInvalidStateException', `${arn} is ${state}.`)
}

export function unsupported(message = ''): KmsError {
  return new KmsError('UnsupportedOperationException', message)
}

export function invalidUsage(message: string): KmsError {
  return new KmsError('InvalidKeyUsageException', message)
}
