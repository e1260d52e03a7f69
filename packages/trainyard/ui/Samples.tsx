/** Texts that the model wrote, by step. */
import { useState } from "preact/hooks"
import type { State } from "../src/ui/Payload.ts"
import { count } from "./format.ts"

export const Sample = ({ completion, prompt }: { readonly prompt: string; readonly completion: string }) => (
  <pre class="sample">
    <b>{prompt}</b>
    {completion}
  </pre>
)

export const Samples = ({ samples }: { readonly samples: State["samples"] }) => {
  const steps = [...new Set(samples.map(({ step }) => step))]
  const [chosen, choose] = useState<number>()
  // Without a choice the newest is followed.
  const index = chosen === undefined || chosen >= steps.length ? steps.length - 1 : chosen
  const step = steps[index]
  if (step === undefined) return <p class="faint">No stage has written a text yet.</p>
  return (
    <>
      <label class="controls">
        step {step === null ? "?" : count(step)}{" "}
        <input
          type="range"
          min="0"
          max={steps.length - 1}
          value={index}
          aria-valuetext={`step ${step ?? "unknown"}`}
          onInput={(event) => {
            const to = Number(event.currentTarget.value)
            choose(to === steps.length - 1 ? undefined : to)
          }}
        />{" "}
        {index + 1} of {steps.length}
      </label>
      {samples
        .filter((sample) => sample.step === step)
        .map(({ completion, prompt, stage }) => (
          <Sample key={`${stage} ${prompt}`} prompt={prompt} completion={completion} />
        ))}
    </>
  )
}
