// Made by ../build.mjs from ../kernels.ts and ../../program/Formula.ts: the kernels and a formula's functions by number.
import { attentionTask, attentionBackwardTask, attentionCachedTask } from "./attention"
import { addTask, geluTask, geluBackwardTask, dropoutTask } from "./elementwise"
import { embeddingTask, embeddingTableTask, embeddingPositionsTask } from "./embedding"
import { fewRowsTask } from "./fewRows"
import { mapTask } from "./formula"
import { swigluTask, swigluBackwardTask, ropeTask } from "./gated"
import { groupedAttentionTask, groupedAttentionBackwardTask, groupedAttentionCachedTask, sumHeadsTask } from "./groupedAttention"
import { roundRowTask, fewRowsInt8Task } from "./int8"
import { layerNormTask, layerNormBackwardTask } from "./layerNorm"
import { productTask, columnSumsTask } from "./matrix"
import { squaresTask, normTask, adamWTask } from "./optimizer"
import { packTask } from "./pack"
import { countTask, lossRowsTask, meanTask } from "./projection"
import { reduceTask, reduceJoinTask } from "./reduce"
import { rmsNormTask, rmsNormBackwardTask } from "./rmsNorm"
import { gatherTask, scatterAddTask } from "./rows"

export const ADD: i32 = 0
export const SUBTRACT: i32 = 1
export const MULTIPLY: i32 = 2
export const DIVIDE: i32 = 3
export const NEGATE: i32 = 4
export const MAX: i32 = 5
export const MIN: i32 = 6
export const EXP: i32 = 7
export const LOG: i32 = 8
export const SQRT: i32 = 9
export const TANH: i32 = 10
export const SIGMOID: i32 = 11
export const SIN: i32 = 12
export const COS: i32 = 13
export const POW: i32 = 14
export const ABS: i32 = 15
export const FLOOR: i32 = 16
export const LESS: i32 = 17
export const EQUAL: i32 = 18
export const WHERE: i32 = 19

/** How many arguments a function takes. */
export function takes(kind: i32): i32 {
  switch (kind) {
    case 0:
      return 2
    case 1:
      return 2
    case 2:
      return 2
    case 3:
      return 2
    case 4:
      return 1
    case 5:
      return 2
    case 6:
      return 2
    case 7:
      return 1
    case 8:
      return 1
    case 9:
      return 1
    case 10:
      return 1
    case 11:
      return 1
    case 12:
      return 1
    case 13:
      return 1
    case 14:
      return 2
    case 15:
      return 1
    case 16:
      return 1
    case 17:
      return 2
    case 18:
      return 2
    case 19:
      return 3
    default:
      unreachable()
  }
  return 0
}

/** Runs one task of a kernel; `a` is the address of the arguments. */
export function run(kind: i32, a: usize, task: i32, scratch: usize): void {
  switch (kind) {
    case 0:
      return packTask(a, task)
    case 1:
      return productTask(a, task, scratch)
    case 2:
      return fewRowsTask(a, task, scratch)
    case 3:
      return roundRowTask(a, task)
    case 4:
      return fewRowsInt8Task(a, task, scratch)
    case 5:
      return columnSumsTask(a, task)
    case 6:
      return addTask(a, task)
    case 7:
      return geluTask(a, task)
    case 8:
      return geluBackwardTask(a, task)
    case 9:
      return dropoutTask(a, task)
    case 10:
      return layerNormTask(a, task)
    case 11:
      return layerNormBackwardTask(a, task)
    case 12:
      return embeddingTask(a, task)
    case 13:
      return embeddingTableTask(a, task)
    case 14:
      return embeddingPositionsTask(a, task)
    case 15:
      return attentionTask(a, task, scratch)
    case 16:
      return attentionBackwardTask(a, task, scratch)
    case 17:
      return attentionCachedTask(a, task, scratch)
    case 18:
      return countTask(a)
    case 19:
      return lossRowsTask(a, task, scratch)
    case 20:
      return meanTask(a)
    case 21:
      return squaresTask(a, task)
    case 22:
      return normTask(a)
    case 23:
      return adamWTask(a, task)
    case 24:
      return mapTask(a, task, scratch)
    case 25:
      return reduceTask(a, task, scratch)
    case 26:
      return reduceJoinTask(a, scratch)
    case 27:
      return gatherTask(a, task)
    case 28:
      return scatterAddTask(a, task)
    case 29:
      return groupedAttentionTask(a, task, scratch)
    case 30:
      return groupedAttentionBackwardTask(a, task, scratch)
    case 31:
      return groupedAttentionCachedTask(a, task, scratch)
    case 32:
      return sumHeadsTask(a, task)
    case 33:
      return rmsNormTask(a, task)
    case 34:
      return rmsNormBackwardTask(a, task, scratch)
    case 35:
      return swigluTask(a, task)
    case 36:
      return swigluBackwardTask(a, task)
    case 37:
      return ropeTask(a, task, scratch)
    default:
      unreachable()
  }
}
