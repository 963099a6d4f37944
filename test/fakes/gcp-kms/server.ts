import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { GrpcClient, grpc } from 'google-gax'
import { Faults } from './faults.ts'
import { Operations } from './operations.ts'
import { Resources } from './resources.ts'
import { StatusError } from './status.ts'
import { Store } from './store.ts'

export interface FakeKmsOptions {
  readonly seed?: number
  /** The most that one page holds. 1000 in the service. */
  readonly largestPage?: number
}

/** A Cloud KMS on this machine: the service's own protocol over gRPC, its rules, and real cryptography. */
export interface FakeKms {
  readonly store: Store
  readonly faults: Faults
  /** Calls by method, `CreateCryptoKey` for one. */
  readonly calls: ReadonlyMap<string, number>
  readonly port: number
  close(): Promise<void>
}

type Handler = (request: object) => object

export async function startFakeKms({ seed = 1, largestPage = 1_000 }: FakeKmsOptions = {}): Promise<FakeKms> {
  const store = new Store()
  const faults = new Faults(seed)
  const calls = new Map<string, number>()
  const handlers = handlersOf(new Resources(store, largestPage), new Operations(store))
  const server = new grpc.Server()
  const implementation: grpc.UntypedServiceImplementation = {}
  for (const [method, handler] of Object.entries(handlers)) {
    implementation[method] = unary(async (request) => {
      const name = `${method[0]?.toUpperCase()}${method.slice(1)}`
      calls.set(name, (calls.get(name) ?? 0) + 1)
      return faults.around(name, request, handler)
    })
  }
  server.addService(serviceDefinition(), implementation)
  const port = await listen(server)
  return {
    store,
    faults,
    calls,
    port,
    close: async () => server.forceShutdown(),
  }
}

/** By the names of the methods, as both classes have them. */
function handlersOf(...services: readonly object[]): Readonly<Record<string, Handler>> {
  const handlers: Record<string, Handler> = {}
  for (const service of services) {
    for (const method of Object.getOwnPropertyNames(Object.getPrototypeOf(service))) {
      const own: unknown = Reflect.get(service, method)
      if (method !== 'constructor' && typeof own === 'function')
        handlers[method] = (request) => own.call(service, request)
    }
  }
  return handlers
}

function unary(answer: (request: object) => Promise<object>): grpc.handleUnaryCall<object, object> {
  return (call, callback) => {
    answer(call.request).then(
      (response) => callback(null, response),
      (error: unknown) => {
        if (error instanceof StatusError) callback({ code: error.code, details: error.message })
        else callback({ code: grpc.status.INTERNAL, details: String(error) })
      },
    )
  }
}

/** From the client's own description of the protocol, so that both speak of the same. */
function serviceDefinition(): grpc.ServiceDefinition {
  const client = process.env.KEYTURN_GCP_KMS ?? createRequire(import.meta.url).resolve('@google-cloud/kms')
  const protos: unknown = JSON.parse(readFileSync(join(dirname(client), '../protos/protos.json'), 'utf8'))
  const loaded = new GrpcClient().loadProtoJSON(protos as Parameters<GrpcClient['loadProtoJSON']>[0], true)
  let found: unknown = loaded
  for (const part of ['google', 'cloud', 'kms', 'v1', 'KeyManagementService', 'service']) {
    found = (found as Readonly<Record<string, unknown>>)[part]
  }
  return found as grpc.ServiceDefinition
}

function listen(server: grpc.Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    )
  })
}
