// Answers what groq-js makes of expressions: a line of JSON in, a line of JSON out. The argument is where it is installed.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const require = createRequire(pathToFileURL(`${process.argv[2]}/package.json`))
const { parse, evaluate, evaluateSync } = await import(pathToFileURL(require.resolve('groq-js')))

async function answer({ kind, text, documents }) {
  const values = []
  const selected = []
  try {
    const alone = parse(text)
    const whole = parse(kind === 'filter' ? `*[${text}]` : `*${text}`)
    for (const document of documents) {
      const dataset = [document]
      values.push(await (await evaluate(alone, { root: document, dataset })).get())
      selected.push(await evaluateSync(whole, { dataset }).get())
    }
  } catch (error) {
    // Some is refused only when it is evaluated.
    return { rejected: error.message }
  }
  return { values, selected }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`)
}
