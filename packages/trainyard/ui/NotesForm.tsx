/** Notes and tags of a run. */
import { useEffect, useState } from "preact/hooks"
import type { Notes } from "../src/ui/Payload.ts"
import { source } from "./source.ts"

export const NotesForm = ({ notes, run }: { readonly run: string; readonly notes: Notes | undefined }) => {
  const [text, setText] = useState("")
  const [tags, setTags] = useState("")
  const [said, say] = useState("")
  const known = notes !== undefined
  useEffect(() => {
    setText(notes?.text ?? "")
    setTags(notes?.tags.join(", ") ?? "")
    // What is being typed stays when the run's state changes.
  }, [run, known])
  const { saveNotes } = source
  if (saveNotes === undefined)
    return text === "" ? null : (
      <section>
        <h3>Notes</h3>
        <p class="pre">{text}</p>
      </section>
    )
  const save = (event: Event) => {
    event.preventDefault()
    const list = tags.split(",").map((tag) => tag.trim())
    saveNotes(run, { text, tags: [...new Set(list)].filter((tag) => tag !== "") }).then(
      () => say("Saved."),
      (error: Error) => say(error.message)
    )
  }
  return (
    <form class="notes" onSubmit={save}>
      <h3>Notes</h3>
      <label>
        Tags, with commas between
        <input value={tags} maxLength={400} onInput={(event) => setTags(event.currentTarget.value)} />
      </label>
      <label>
        Note
        <textarea
          rows={4}
          maxLength={20_000}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button type="submit">Save</button> <span role="status">{said}</span>
    </form>
  )
}
