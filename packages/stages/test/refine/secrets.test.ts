import { assert, layer } from "@effect/vitest"
import type { Stage } from "@trainyard/core"
import { Effect, FileSystem } from "effect"
import { expect, test } from "vitest"
import type { Corpus } from "../../src/collect/Corpus.ts"
import { view } from "../../src/collect/view.ts"
import { refine } from "../../src/refine/refine.ts"
import { find } from "../../src/refine/secrets.ts"
import { corpusOf, someCode } from "../corpusOf.ts"
import * as Running from "../runStage.ts"
import { numbers } from "./families.ts"

const all = { secrets: "replace", emails: "replace", ipAddresses: "replace" } as const
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/** Made-up secrets of twenty kinds, each as it stands in code: the value, and the text around it. */
const planted = (
  seed: number
): ReadonlyArray<readonly [value: string, around: (value: string) => string]> => {
  const next = numbers(seed)
  const draw = (length: number, from = letters): string =>
    Array.from({ length }, () => from[next(from.length)]!).join("")
  const hex = (length: number) => draw(length, "0123456789abcdef")
  const upper = (length: number) => draw(length, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
  const quoted = (name: string) => (value: string) => `const char *${name} = "${value}";`
  const plain = (value: string) => `// ${value}`
  const octet = () => String(40 + next(80))
  return [
    [`AKIA${upper(16)}`, quoted("id")],
    [draw(40, `${letters}/+`), (value) => `aws_secret_access_key = "${value}"`],
    [`ghp_${draw(36)}`, plain],
    [`github_pat_${draw(22)}_${draw(59)}`, quoted("pat")],
    [`glpat-${draw(20)}`, plain],
    [`xoxb-${draw(12, "0123456789")}-${draw(24)}`, quoted("slack")],
    [`AIza${draw(35)}`, quoted("maps")],
    [`sk_live_${draw(24)}`, quoted("stripe")],
    [`npm_${draw(36)}`, (value) => `//registry.npmjs.org/:_authToken=${value}`],
    [`pypi-AgEIcHlwaS5vcmc${draw(60)}`, plain],
    [`sk-proj-${draw(48)}`, quoted("openai")],
    [`SG.${draw(22)}.${draw(43)}`, quoted("mail")],
    [`eyJ${draw(20)}.eyJ${draw(40)}.${draw(43)}`, quoted("jwt")],
    [`p4${draw(10)}`, (value) => `postgres://admin:${value}@db.internal:5432/app`],
    [`7${draw(20)}9`, (value) => `config.password = '${value}';`],
    [hex(40), (value) => `{ "api_key": "${value}" }`],
    [
      `-----BEGIN RSA PRIVATE KEY-----\n${draw(64)}\n${draw(64)}\n-----END RSA PRIVATE KEY-----`,
      (value) => `static const char key[] = R"(${value})";`
    ],
    [
      `${draw(6, "abcdefgh")}.${draw(7, "ijklmnop")}@${draw(8, "qrstuvwx")}.org`,
      (value) => `/* Author: A <${value}> */`
    ],
    [`${octet()}.${octet()}.${octet()}.${octet()}`, quoted("host")],
    [`2a02:${hex(4)}:${hex(4)}:1::${draw(1, "123456789")}${hex(3)}`, quoted("host6")]
  ]
}

test("what is no secret stays", () => {
  for (const text of [
    'password = "password"',
    'const char *token = "identifier";',
    'token: "{{ TOKEN_FROM_ENVIRONMENT }}"',
    'api_key = "YOUR_API_KEY_1234"',
    "version 1.2.3.4, v104.20.33.2, 10.20.30.4, 127.0.0.1, 192.168.0.1, 203.0.113.7, 1.3.6.1.4.1.311.60",
    "someone@example.com, git@github.com:a/b.git, icon@2x.png, @param a@b",
    "std::vector<a::b::c>, ::1, fe80::1, 2001:db8::1, 12:34:56, aa:bb:cc:dd:ee:ff",
    "https://user@host/path, http://host:8080/a@b"
  ])
    expect(find(text, all)).toEqual([])
})

const corpus = {} as Stage.Node<typeof Corpus, never, never>

layer(Running.layer)("secrets and personal data", (it) => {
  const seeds = Array.from({ length: 10 }, (_, seed) => seed)
  const values = seeds.flatMap((seed) => planted(seed).map(([value]) => value))
  const texts = seeds.flatMap((seed) =>
    planted(seed).map(([value, around], at) => {
      const code = someCode(100 * seed + at, 10)
      return `${code}${around(value)}\n${code}`
    })
  )

  it.effect("are replaced by placeholders: 200 found, and no value in files, events or views", () =>
    Effect.gen(function* () {
      assert.lengthOf(new Set(values), 200)
      const fs = yield* FileSystem.FileSystem
      const { artifact, events } = yield* Running.runStage(refine({ corpus }), {
        corpus: yield* corpusOf(texts)
      })
      const { changed, dropped } = artifact.value.refinement!
      assert.deepStrictEqual(dropped, [])
      assert.strictEqual(
        changed.reduce((sum, { places }) => sum + places, 0),
        200
      )
      const files = yield* fs.readDirectory(artifact.directory)
      const written = yield* Effect.forEach(files, (file) =>
        fs.readFileString(`${artifact.directory}/${file}`)
      )
      const shown = JSON.stringify(yield* view.sections!(artifact))
      for (const title of ["Changed by refining", "By licence"]) assert.include(shown, title)
      for (const text of [...written, shown, JSON.stringify(events), JSON.stringify(artifact.value)]) {
        for (const value of values) {
          assert.notInclude(text, value)
          // Nor its middle, which a finding that is too short would leave.
          assert.notInclude(text, value.slice(value.length / 2 - 4, value.length / 2 + 5))
        }
      }
      const kinds = Object.fromEntries(changed.map(({ change, places }) => [change, places]))
      assert.strictEqual(kinds["e-mail address replaced"], 10)
      assert.strictEqual(kinds["IP address replaced"], 20)
      assert.strictEqual(kinds["private key replaced"], 10)
      const text = written[files.indexOf("text.bin")]!
      for (const [placeholder, times] of [
        ["<KEY>", 170],
        ["<EMAIL>", 10],
        ["<IP_ADDRESS>", 20]
      ] as const)
        assert.strictEqual(text.split(placeholder).length - 1, times)
    })
  )

  it.effect("drop their documents or stay, where that is asked for", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const given = yield* corpusOf([...texts.slice(0, 20), someCode(77)])
      const { artifact } = yield* Running.runStage(
        refine({ corpus, secrets: "drop", emails: "keep", ipAddresses: "drop" }),
        { corpus: given }
      )
      assert.strictEqual(artifact.value.documents, 2)
      const listed = yield* fs.readFileString(`${artifact.directory}/skipped.jsonl`)
      assert.match(listed, /"reason":"secret: GitHub token".*"detail":"in line 11"/)
      for (const value of values.slice(0, 20)) assert.notInclude(listed, value)
      const text = yield* fs.readFileString(`${artifact.directory}/text.bin`)
      assert.include(text, values[17])
    })
  )
})
