import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import iconv from "iconv-lite"
import * as CorpusReader from "../../src/collect/CorpusReader.ts"
import { collect } from "../../src/collect/collect.ts"
import { facts as factsOf } from "../../src/collect/facts.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { folderOf, jsonLines } from "./folders.ts"

const french = "/* Élève : le résultat dépend de la méthode, et ça marche à côté. */\nint café;\n"
const japanese = "/* この関数はファイルを読み込みます。エラーの場合は負の値を返します。 */\nint yomu(void);\n"
const russian = "/* Эта функция читает файл и возвращает число строк. */\nint read(void);\n"

const files = {
  "utf8.c": "/* déjà en UTF-8 */\n",
  "latin1.c": iconv.encode(french, "latin1"),
  "sjis.c": iconv.encode(japanese, "shift_jis"),
  "koi8.c": iconv.encode(russian, "koi8-r"),
  "marked.c": iconv.encode(`${japanese}// marked`, "utf-16le", { addBOM: true }),
  "marked-be.c": iconv.encode(`${japanese}// big`, "utf-16be", { addBOM: true }),
  "bare.c": iconv.encode(`${french}// bare`, "utf-16le"),
  "bare-be.c": iconv.encode(`${japanese}// bare, big`, "utf-16be"),
  "picture.png": Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0xff]),
  "noise.bin": Uint8Array.from({ length: 500 }, (_, i) => ((i * 7919) % 255) + 1)
}

const collected = Effect.fnUntraced(function* (notUtf8?: string) {
  const root = yield* folderOf(files)
  const { artifact } = yield* Running.runStage(
    collect({ sources: [Source.folder(root)], ...(notUtf8 === undefined ? {} : { notUtf8 }) })
  )
  const corpus = yield* CorpusReader.open(artifact.directory)
  const documents = yield* Effect.forEach(Array.from({ length: corpus.documents }).keys(), (id) =>
    Effect.all([corpus.document(id), corpus.text(id)])
  )
  const skipped = yield* jsonLines(artifact.directory, "skipped.jsonl")
  return {
    texts: Object.fromEntries(documents.map(([document, text]) => [document.path, text])),
    encodings: Object.fromEntries(documents.map(([document]) => [document.path, document.encoding])),
    skipped: Object.fromEntries(skipped.map(({ path, reason }) => [String(path), String(reason)])),
    decoded: artifact.value.decoded,
    facts: factsOf(artifact.value)
  }
})

layer(Running.layer)("text that is not UTF-8", (it) => {
  it.effect("is left out unless asked for", () =>
    Effect.gen(function* () {
      const { decoded, skipped, texts } = yield* collected()
      assert.deepStrictEqual(Object.keys(texts), ["utf8.c"])
      assert.isUndefined(decoded)
      assert.strictEqual(skipped["latin1.c"], "not UTF-8")
      assert.strictEqual(skipped["marked.c"], "not UTF-8")
      assert.strictEqual(skipped["bare.c"], "binary")
    })
  )

  it.effect("is decoded by what can be detected, and its encoding is told", () =>
    Effect.gen(function* () {
      const { decoded, encodings, facts, skipped, texts } = yield* collected("detect")
      assert.deepStrictEqual(texts, {
        "utf8.c": files["utf8.c"],
        "latin1.c": french,
        "sjis.c": japanese,
        "koi8.c": russian,
        "marked.c": `${japanese}// marked`,
        "marked-be.c": `${japanese}// big`,
        "bare.c": `${french}// bare`,
        "bare-be.c": `${japanese}// bare, big`
      })
      assert.deepInclude(encodings, {
        "utf8.c": undefined,
        "sjis.c": "Shift_JIS",
        "koi8.c": "KOI8-R",
        "bare-be.c": "UTF-16BE"
      })
      assert.deepStrictEqual(skipped, { "noise.bin": "not decodable", "picture.png": "binary" })
      assert.deepInclude(decoded ?? [], { encoding: "UTF-16LE", documents: 2 })
      assert.match(facts.find(({ label }) => label === "decoded")?.text ?? "", /2 from UTF-16LE/)
    })
  )

  it.effect("is decoded by a name, a byte order mark believed first", () =>
    Effect.gen(function* () {
      const { encodings, skipped, texts } = yield* collected("shift_jis")
      assert.strictEqual(texts["sjis.c"], japanese)
      assert.strictEqual(texts["marked.c"], `${japanese}// marked`)
      assert.strictEqual(encodings["marked.c"], "UTF-16LE")
      assert.strictEqual(skipped["bare.c"], "binary")
      const latin = yield* collected("latin1")
      assert.strictEqual(latin.texts["latin1.c"], french)
      assert.strictEqual(latin.skipped["sjis.c"], "not decodable")
    })
  )

  it.effect("is refused where the name means no encoding", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(collected("latin-one"))
      assert.match(error.message, /no encoding of this name can be decoded. Give "skip", "detect"/)
    })
  )
})
