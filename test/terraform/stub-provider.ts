import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type handleUnaryCall, loadPackageDefinition, Server, ServerCredentials } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

export type Type = 'string' | 'number' | 'bool' | readonly ['list' | 'map', 'string' | 'number']

export interface Block {
  readonly attributes: Readonly<Record<string, { readonly type: Type; readonly required?: true }>>
  readonly blocks: Readonly<Record<string, Block>>
}

type Resource = Block & { readonly computed: Readonly<Record<string, Type>> }

/** What a provider documents of some of its resources. */
export interface ProviderSchema {
  readonly source: string
  readonly resources: Readonly<Record<string, Resource>>
  readonly data: Readonly<Record<string, Resource>>
}

export interface StubProvider {
  readonly address: string
  stop(): void
}

const PROTOCOL = fileURLToPath(new URL('provider-protocol.proto', import.meta.url))

export function readSchema(provider: string): ProviderSchema {
  const file = new URL(`../fixtures/terraform/${provider}.json`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8')) as ProviderSchema
}

/**
 * A provider that knows the arguments of its resources and nothing else: enough for `terraform validate`, and for
 * `terraform test` where the tests mock the provider. Nothing can be created with it.
 */
export async function startStubProvider(schema: ProviderSchema): Promise<StubProvider> {
  const definition = loadPackageDefinition(loadSync(PROTOCOL, { keepCase: true, defaults: true }))
  const { Provider } = definition.tfplugin5 as unknown as { Provider: { service: never } }
  const server = new Server()
  const reply =
    (value: object): handleUnaryCall<unknown, object> =>
    (_, done) =>
      done(null, value)
  server.addService(Provider.service, {
    GetSchema: reply({
      provider: { version: 0, block: providerBlock() },
      resource_schemas: schemasOf(schema.resources, false),
      data_source_schemas: schemasOf(schema.data, true),
    }),
    PrepareProviderConfig: ((call, done) =>
      done(null, { prepared_config: call.request.config })) as handleUnaryCall<{ config: object }, object>,
    ValidateResourceTypeConfig: reply({}),
    ValidateDataSourceConfig: reply({}),
    Configure: reply({}),
    Stop: reply({}),
  })
  const port = await new Promise<number>((done, failed) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? failed(error) : done(bound),
    )
  })
  return { address: `127.0.0.1:${port}`, stop: () => server.forceShutdown() }
}

/** @param isAnswered whether the provider fills in what is left out, as data sources do */
function schemasOf(resources: Readonly<Record<string, Resource>>, isAnswered: boolean): object {
  return Object.fromEntries(
    Object.entries(resources).map(([name, resource]) => [
      name,
      { version: 0, block: blockOf(resource, isAnswered) },
    ]),
  )
}

function blockOf(
  { attributes, blocks, computed = {} }: Block & { computed?: Resource['computed'] },
  isAnswered = false,
): object {
  return {
    attributes: [
      ...Object.entries(attributes).map(([name, { type, required }]) => ({
        name,
        type: encoded(type),
        required: required === true,
        optional: required !== true,
        computed: isAnswered && required !== true,
      })),
      ...Object.entries(computed).map(([name, type]) => ({ name, type: encoded(type), computed: true })),
    ],
    block_types: Object.entries(blocks).map(([type_name, block]) => ({
      type_name,
      block: blockOf(block),
      nesting: 'LIST',
    })),
  }
}

/** The arguments of the provider itself that the modules and examples give. */
function providerBlock(): object {
  return {
    attributes: ['region', 'project'].map((name) => ({ name, type: encoded('string'), optional: true })),
    block_types: [
      {
        type_name: 'assume_role',
        nesting: 'LIST',
        block: { attributes: [{ name: 'role_arn', type: encoded('string'), optional: true }] },
      },
    ],
  }
}

function encoded(type: Type): Buffer {
  return Buffer.from(JSON.stringify(type))
}
