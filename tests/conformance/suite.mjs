// Runs the public suite for HTTP caches against proxyd, and judges what it says.
//
// usage: suite.mjs SUITE_DIRECTORY PROXYD ANSWERS
//
// The suite's server plays the origin, its client asks through proxyd; both get ports of the
// kernel's choice. Exit status 0: every required and optimal test passes but for those that
// contradict the RFC, and ANSWERS explains exactly what is left.
//
// The directory holds the package as published, or a checkout of the suite's repository, which is
// newer: it has none of the tests that contradict the RFC, and more of the others.

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const KINDS = ['required', 'optimal', 'check']
const OUTCOMES = ['passed', 'contradicts the RFC', 'failed', 'setup-failed', 'yes', 'no', 'for browsers']
// Longest wait for a program to say that it is ready, in milliseconds.
const PATIENCE_MS = 30000

const [suiteDirectory, proxyd, answersFile] = process.argv.slice(2)
const isCheckout = existsSync(join(suiteDirectory, 'test-engine'))
const engine = resolve(suiteDirectory, isCheckout ? 'test-engine' : '.')
const answers = JSON.parse(readFileSync(answersFile, 'utf8'))
if (isCheckout) {
  Object.assign(answers.no, answers.newer.no)
  Object.assign(answers.setup, answers.newer.setup)
}
const directory = mkdtempSync(join(tmpdir(), 'conformance-'))
const programs = []

process.exitCode = 1
try {
  const origin = await startOrigin()
  const cache = await startProxyd(origin)
  process.exitCode = report(await run(cache)) ? 0 : 1
} finally {
  for (const program of programs) program.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
}

function startOrigin () {
  const settings = { protocol: 'http', port: '0', pidfile: join(directory, 'origin.pid') }
  const env = { ...process.env }
  for (const [name, value] of Object.entries(settings)) env[`npm_config_${name}`] = value
  const options = { cwd: suiteDirectory, env }
  return start(process.execPath, [join(engine, 'server/server.mjs')], options, /^Listening on http:.*:(\d+)\/$/)
}

function startProxyd (originPort) {
  const config = join(directory, 'proxyd.toml')
  // No relay: its default listener has a fixed port. The newer tests take the cache for a CDN's.
  const cdn = '[route.suite]\npath = "/test/"\ncache.cdn_cache_control = true\n'
  writeFileSync(config, 'udp = []\n' + (isCheckout ? cdn : ''))
  const flags = ['--config', config, '--http', '127.0.0.1:0', '--origin', `http://127.0.0.1:${originPort}`]
  const env = { ...process.env, XDG_RUNTIME_DIR: directory }
  delete env.RUNTIME_DIRECTORY
  return start(proxyd, flags, { env }, /^proxyd: http on .*:(\d+)$/)
}

// Starts a program and waits for the line that tells its port.
function start (program, flags, options, line) {
  const child = spawn(program, flags, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  programs.push(child)
  let said = ''
  child.stderr.on('data', text => { said = (said + text).slice(-4000) })
  return new Promise((resolve, reject) => {
    const fail = why => reject(new Error(`${program} ${why}\n${said}`))
    const timer = setTimeout(() => fail('did not say that it is ready'), PATIENCE_MS)
    child.on('error', error => fail(error.message))
    child.on('exit', code => fail(`ended with ${code}`))
    createInterface({ input: child.stdout }).on('line', text => {
      const found = line.exec(text)
      if (!found) return
      clearTimeout(timer)
      resolve(found[1])
    })
  })
}

// Runs every test; gives [{ id, kind, outcome, detail }].
async function run (port) {
  const load = path => import(pathToFileURL(path))
  const { runTests, getResults } = await load(join(engine, 'client/runner.mjs'))
  const judge = join(engine, isCheckout ? 'lib/results.mjs' : 'lib/display.mjs')
  const { determineTestResult } = await load(judge)
  const suites = (await load(join(suiteDirectory, 'tests/index.mjs'))).default
  const base = `http://127.0.0.1:${port}`
  if (isCheckout) {
    await runTests(suites, false, base)
  } else {
    const fetch = (await load(join(suiteDirectory, '../node-fetch/lib/index.mjs'))).default
    await runTests(suites, fetch, false, base)
  }
  const results = getResults()
  return suites.flatMap(suite => suite.tests).map(test => {
    const mark = determineTestResult(suites, test.id, results, false)[2]
    const detail = Array.isArray(results[test.id]) ? results[test.id].join(': ') : ''
    return { id: test.id, kind: test.kind ?? 'required', outcome: outcome(test.id, mark), detail }
  })
}

function outcome (id, mark) {
  if (mark === '-') return 'for browsers'
  if (mark === '✅') return 'passed'
  if (id in answers.contradicts && !isCheckout) return 'contradicts the RFC'
  const marks = { '⛔️': 'failed', '⚠️': 'failed', Y: 'yes', N: 'no' }
  return marks[mark] ?? 'setup-failed'
}

// Prints everything; whether nothing is left unexplained.
function report (tests) {
  const ids = outcome => tests.filter(test => test.outcome === outcome).map(test => test.id)
  const failing = tests.filter(test => {
    const explained = test.kind === 'check' && test.id in answers.setup
    return test.outcome === 'failed' || (test.outcome === 'setup-failed' && !explained)
  })
  const setup = tests.filter(test => test.outcome === 'setup-failed' && test.id in answers.setup)
  table('Tests of another mind than RFC 9111 and than newer versions of the suite',
    ids('contradicts the RFC').map(id => [id, contradiction(id)]))
  table('Questions answered "no", and why that is the better answer',
    ids('no').map(id => [id, reason(id) ?? 'NO REASON GIVEN']))
  table('Questions that cannot be put to this cache', setup.map(({ id }) => [id, answers.setup[id]]))
  table('Failing', failing.map(test => [test.id, `${test.kind}, ${test.outcome}: ${test.detail}`]))
  const complaints = [
    ...ids('no').filter(id => !reason(id)).map(id => `${id} is answered "no" without a reason`),
    // The answers are those to the published version: others ask more, and less.
    ...isCheckout ? [] : stale(answers.no, ids('no')),
    ...isCheckout ? [] : stale(answers.contradicts, ids('contradicts the RFC')),
    ...isCheckout ? [] : stale(answers.setup, setup.map(({ id }) => id))
  ]
  table('Complaints', complaints.map(complaint => [complaint, '']))
  count(tests)
  return tests.length > 0 && failing.length === 0 && complaints.length === 0
}

function contradiction (id) {
  const { clause, reason, newer } = answers.contradicts[id]
  return `${clause}: ${reason} Changed in the suite's newer version: ${newer}.`
}

// Why a question is answered "no". What once was a test against the RFC is a question in newer versions.
function reason (id) {
  const { clause, reason } = answers.contradicts[id] ?? {}
  return answers.no[id] ?? (reason && `${clause}: ${reason}`)
}

function stale (reasons, used) {
  return Object.keys(reasons).filter(id => !used.includes(id)).map(id => `the reason for ${id} is stale`)
}

function table (title, rows) {
  if (rows.length === 0) return
  const width = Math.max(...rows.map(([id]) => id.length))
  console.log(`\n${title}:`)
  for (const [id, text] of rows) console.log(`  ${id.padEnd(width)}  ${text}`.trimEnd())
}

function count (tests) {
  console.log()
  for (const kind of KINDS) {
    const counts = OUTCOMES.map(outcome => {
      const number = tests.filter(test => test.kind === kind && test.outcome === outcome).length
      return number > 0 ? `${number} ${outcome}` : null
    })
    console.log(`${kind}: ${counts.filter(Boolean).join(', ')}`)
  }
}
