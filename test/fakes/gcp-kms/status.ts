import { grpc } from 'google-gax'

/** What the service answers a call with that it refuses: a gRPC status, and details for people. */
export class StatusError extends Error {
  readonly code: grpc.status

  constructor(code: grpc.status, details: string) {
    super(details)
    this.code = code
  }
}

export const notFound = (name: string): StatusError =>
  new StatusError(grpc.status.NOT_FOUND, `${name} not found.`)

export const alreadyExists = (name: string): StatusError =>
  new StatusError(grpc.status.ALREADY_EXISTS, `${name} already exists.`)

export const invalid = (details: string): StatusError =>
  new StatusError(grpc.status.INVALID_ARGUMENT, details)

export const precondition = (details: string): StatusError =>
  new StatusError(grpc.status.FAILED_PRECONDITION, details)
