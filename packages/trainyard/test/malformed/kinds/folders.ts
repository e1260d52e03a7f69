/** Dataset, corpus and split folders, and tokenizer.json files of other makers, opened without the store's manifest. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Published from "@trainyard/core/Published"
import * as CorpusReader from "@trainyard/stages/collect/CorpusReader"
import { Dataset } from "@trainyard/stages/dataset/Dataset"
import { Split } from "@trainyard/stages/split/Split"
import * as SplitReader from "@trainyard/stages/split/SplitReader"
import * as Tokenizer from "@trainyard/stages/tokenize/Tokenizer"
import { Effect, Schema } from "effect"
import { type Kind, taken } from "../cases.ts"
import { harmJson, harms } from "../damage.ts"
import { textOf } from "../specimens.ts"

const harmNames = Object.keys(harms)
const datasetFiles = ["train.bin", "validation.bin", "test.bin", "documents.jsonl", "dataset.json"]
const outer = ["model", "added_tokens", "pre_tokenizer", "decoder"]

export const folders: Kind = ({ directory, draw, specimens }, index) => {
  const folder = join(directory, "folder")
  const from = [specimens.dataset, specimens.tokenizer, specimens.corpus, specimens.split][index % 4]!
  cpSync(from, folder, { recursive: true })
  rmSync(join(folder, "manifest.json"))
  const change = (name: string, edit: (bytes: Buffer) => Buffer | string) => {
    const file = join(folder, name)
    writeFileSync(file, edit(readFileSync(file)))
  }
  const harm = harmNames[Math.floor(index / 4) % harmNames.length]!
  const names = [folder]
  switch (index % 4) {
    case 0: {
      const file = datasetFiles[Math.floor(index / 4) % datasetFiles.length]!
      change(file, (bytes) => harms[harm]!(bytes, draw))
      return {
        what: `dataset's ${file}, ${harm}`,
        names,
        feed: Effect.as(Published.open(Dataset, folder), taken)
      }
    }
    case 1: {
      let path = ""
      change("tokenizer.json", (bytes) => {
        const harmed = harmJson(bytes.toString(), draw, ([first]) => outer.includes(first ?? ""))
        path = harmed.path
        return harmed.text
      })
      return {
        what: `tokenizer.json with another ${path}`,
        names,
        feed: Effect.gen(function* () {
          const tokenizer = yield* Tokenizer.load(folder)
          yield* tokenizer.decode(yield* tokenizer.encode(textOf(3)))
          return taken
        })
      }
    }
    case 2: {
      const file = index % 8 === 2 ? "documents.jsonl" : "text.bin"
      change(file, (bytes) => harms[harm]!(bytes, draw))
      return {
        what: `corpus's ${file}, ${harm}`,
        names,
        feed: Effect.gen(function* () {
          const corpus = yield* CorpusReader.open(folder)
          for (let id = 0; id < corpus.documents; id++) yield* corpus.text(id)
          return taken
        })
      }
    }
    default: {
      const file = index % 8 === 3 ? "documents.jsonl" : "text.bin"
      const manifest = JSON.parse(readFileSync(join(from, "manifest.json"), "utf8"))
      const value = Schema.decodeUnknownSync(Split.value)(manifest.value)
      change(file, (bytes) => harms[harm]!(bytes, draw))
      return {
        what: `split's ${file}, ${harm}`,
        names,
        feed: Effect.gen(function* () {
          const { all } = yield* SplitReader.open({ directory: folder, value })
          for (let id = 0; id < all.documents; id++) yield* all.text(id)
          return taken
        })
      }
    }
  }
}
