// Has @sanity/client do what it is told: a line of JSON in, a line of JSON out. The arguments are where it is installed,
// and how it is set up.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const require = createRequire(pathToFileURL(`${process.argv[2]}/package.json`))
const { createClient } = require('@sanity/client')
const client = createClient({ ...JSON.parse(process.argv[3]), useCdn: false, maxRetries: 0 })

const calls = {
  request: (options) => client.request(options),
  create: (document) => client.create(document),
  createOrReplace: (document) => client.createOrReplace(document),
  createIfNotExists: (document) => client.createIfNotExists(document),
  delete: (id) => client.delete(id),
  patch: ({ id, set, unset, ifRevisionId }) => {
    let patch = client.patch(id)
    if (set) patch = patch.set(set)
    if (unset) patch = patch.unset(unset)
    if (ifRevisionId) patch = patch.ifRevisionId(ifRevisionId)
    return patch.commit()
  },
  transaction: (mutations) => client.mutate(mutations, { returnDocuments: false }),
}

for await (const line of createInterface({ input: process.stdin })) {
  const [call, given] = JSON.parse(line)
  let told
  try {
    told = { done: await calls[call](given) }
  } catch (error) {
    told = { status: error.statusCode ?? null, message: error.message, body: error.responseBody ?? null }
  }
  process.stdout.write(`${JSON.stringify(told)}\n`)
}
