import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createRandom } from '../../support/random.ts'
import type { AccessPolicy } from './access.ts'
import { Call } from './call.ts'
import { CallLog, type LoggedCall } from './calls.ts'
import type { ServiceClock } from './clock.ts'
import type { Consistency } from './consistency.ts'
import { KmsError } from './errors.ts'
import { errorOf, type FaultPlan, Faults } from './faults.ts'
import { Input, parseInput } from './input.ts'
import { OPERATIONS } from './operations.ts'
import type { Credentials } from './principals.ts'
import { Quotas } from './quotas.ts'
import { KmsService, type ServiceOptions } from './service.ts'
import { answerSts, stsError } from './sts.ts'
import { answer, errorBody, type Head, JSON_TYPE, readBody, readHead, XML_TYPE } from './wire.ts'

export interface FakeKmsOptions extends ServiceOptions {
  readonly region?: string
  readonly account?: string
  readonly faults?: FaultPlan
  /** Calls per second by operation, as `AWS_QUOTAS`; none by default. */
  readonly quotas?: Readonly<Record<string, number>>
}

/** A running server. `endpoint`, `region` and `credentials` are what a KMSClient or an STSClient takes. */
export interface FakeKms {
  readonly endpoint: string
  readonly region: string
  readonly account: string
  readonly credentials: Credentials
  readonly clock: ServiceClock
  readonly faults: Faults
  readonly calls: CallLog
  setConsistency(consistency: Consistency): void
  setPolicy(allow: AccessPolicy): void
  /** Somebody else, by ARN: `arn:aws:iam::<account>:user/<name>`. */
  credentialsFor(arn: string): Credentials
  /** Lets the waiting period of everything that is pending deletion run out. */
  finishDeletions(): void
  stop(): Promise<void>
}

/** Starts a server that speaks the protocol of AWS KMS and keeps its rules, on a free port of this machine only. */
export async function startFakeKms(options: FakeKmsOptions = {}): Promise<FakeKms> {
  const { region = 'eu-west-1', account = '111122223333', seed = 1 } = options
  const service = new KmsService(options)
  const faults = new Faults(createRandom(seed + 2))
  faults.plan(options.faults)
  const calls = new CallLog()
  const handler = new Handler(service, faults, new Quotas(options.quotas ?? {}), calls)
  const server = createServer((request, response) => void handler.handle(request, response))
  server.unref()
  const endpoint = await listen(server)
  return {
    endpoint,
    region,
    account,
    credentials: service.principals.add({ arn: `arn:aws:iam::${account}:user/keyturn`, account }),
    clock: service.clock,
    faults,
    calls,
    setConsistency: (consistency) => service.views.set(consistency),
    setPolicy: (allow) => {
      service.allow = allow
    },
    credentialsFor: (arn) => service.principals.add({ arn, account: arn.split(':')[4] ?? '' }),
    finishDeletions: () => service.finishDeletions(),
    stop: () => stop(server),
  }
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server has no address')
  return `http://127.0.0.1:${address.port}`
}

async function stop(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  server.closeAllConnections()
  await closed
}

class Handler {
  readonly #service: KmsService
  readonly #faults: Faults
  readonly #quotas: Quotas
  readonly #calls: CallLog

  constructor(service: KmsService, faults: Faults, quotas: Quotas, calls: CallLog) {
    this.#service = service
    this.#faults = faults
    this.#quotas = quotas
    this.#calls = calls
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = this.#service.makeUuid()
    let isSts = false
    try {
      const body = await readBody(request)
      const head = readHead(request, this.#service)
      isSts = head.isSts
      await this.#serve(head, body, requestId, response)
    } catch (error) {
      if (response.destroyed || request.errored) return
      const known = error instanceof KmsError ? error : new KmsError('InternalFailure', String(error), 500)
      const text = isSts ? stsError(known, requestId) : errorBody(known)
      answer(response, known.status, { body: text, requestId, type: isSts ? XML_TYPE : JSON_TYPE })
    }
  }

  async #serve(head: Head, body: string, requestId: string, response: ServerResponse): Promise<void> {
    const form = head.isSts ? new URLSearchParams(body) : undefined
    const operation = form?.get('Action') ?? head.target
    const input = form ? new Input(Object.fromEntries(form)) : parseInput(body)
    const logged = this.#log(head, operation, input, requestId)
    try {
      const fault = this.#faults.draw(operation)
      const error = fault && errorOf(fault)
      if (error) throw error
      if (fault === 'reset') return this.#breakOff(logged, fault, response)
      if (fault === 'hang') return this.#breakOff(logged, fault)
      this.#quotas.spend(head.principal.account, operation, this.#service.clock.now())
      const text = form
        ? answerSts(this.#service, head.principal, form, requestId)
        : JSON.stringify(await this.#run(head, operation, input, requestId))
      if (fault === 'lost') return this.#breakOff(logged, fault, response)
      if (fault === 'lost-hang') return this.#breakOff(logged, fault)
      logged.outcome = 'ok'
      answer(response, 200, { body: text, requestId, type: form ? XML_TYPE : JSON_TYPE })
    } catch (error) {
      logged.outcome = error instanceof KmsError ? error.name : 'InternalFailure'
      throw error
    }
  }

  async #run(head: Head, name: string, input: Input, requestId: string): Promise<unknown> {
    const operation = OPERATIONS[name]
    if (!operation) throw new KmsError('UnknownOperationException')
    const { principal, region } = head
    const { kind } = operation
    const service = this.#service
    const moment = service.nextMoment()
    return operation.run(
      new Call({ operation: name, kind, input, principal, region, requestId, service, moment }),
    )
  }

  #log(head: Head, operation: string, input: Input, requestId: string): LoggedCall {
    const { principal, region } = head
    const logged: LoggedCall = {
      operation,
      requestId,
      principal: principal.arn,
      account: principal.account,
      region,
      input: input.raw,
      at: this.#service.clock.now(),
      outcome: 'pending',
    }
    this.#calls.add(logged)
    return logged
  }

  /** Ends without an answer; without a response to destroy, the caller waits until it gives up. */
  #breakOff(logged: LoggedCall, fault: string, response?: ServerResponse): void {
    logged.outcome = fault
    response?.destroy()
  }
}
