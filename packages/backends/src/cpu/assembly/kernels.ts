// The kernels by number. `../kernels.ts` gives them the same numbers by name.
import { attentionBackwardTask, attentionCachedTask, attentionTask } from "./attention"
import { addTask, dropoutTask, geluBackwardTask, geluTask } from "./elementwise"
import { embeddingPositionsTask, embeddingTableTask, embeddingTask } from "./embedding"
import { layerNormBackwardTask, layerNormTask } from "./layerNorm"
import { mapTask } from "./formula"
import { groupedAttentionBackwardTask, groupedAttentionCachedTask, groupedAttentionTask } from "./groupedAttention"
import { columnSumsTask, fewRowsTask, productTask } from "./matrix"
import { adamWTask, normTask, squaresTask } from "./optimizer"
import { packTask } from "./pack"
import { countTask, lossRowsTask, meanTask } from "./projection"
import { ropeTask, swigluBackwardTask, swigluTask } from "./gated"
import { reduceJoinTask, reduceTask } from "./reduce"
import { rmsNormBackwardTask, rmsNormTask } from "./rmsNorm"
import { gatherTask, scatterAddTask } from "./rows"

/** Runs one task of a kernel; `a` is the address of the arguments. */
export function run(kernel: i32, a: usize, task: i32, scratch: usize): void {
  switch (kernel) {
    case 0:
      return packTask(a, task)
    case 1:
      return productTask(a, task, scratch)
    case 2:
      return fewRowsTask(a, task)
    case 3:
      return columnSumsTask(a, task)
    case 4:
      return addTask(a, task)
    case 5:
      return geluTask(a, task)
    case 6:
      return geluBackwardTask(a, task)
    case 7:
      return dropoutTask(a, task)
    case 8:
      return layerNormTask(a, task)
    case 9:
      return layerNormBackwardTask(a, task)
    case 10:
      return embeddingTask(a, task)
    case 11:
      return embeddingTableTask(a, task)
    case 12:
      return embeddingPositionsTask(a, task)
    case 13:
      return attentionTask(a, task, scratch)
    case 14:
      return attentionBackwardTask(a, task, scratch)
    case 15:
      return attentionCachedTask(a, task, scratch)
    case 16:
      return countTask(a)
    case 17:
      return lossRowsTask(a, task, scratch)
    case 18:
      return meanTask(a)
    case 19:
      return squaresTask(a, task)
    case 20:
      return normTask(a)
    case 21:
      return adamWTask(a, task)
    case 22:
      return mapTask(a, task, scratch)
    case 23:
      return reduceTask(a, task, scratch)
    case 24:
      return reduceJoinTask(a, scratch)
    case 25:
      return gatherTask(a, task)
    case 26:
      return scatterAddTask(a, task)
    case 27:
      return groupedAttentionTask(a, task, scratch)
    case 28:
      return groupedAttentionBackwardTask(a, task, scratch)
    case 29:
      return groupedAttentionCachedTask(a, task, scratch)
    case 30:
      return rmsNormTask(a, task)
    case 31:
      return rmsNormBackwardTask(a, task, scratch)
    case 32:
      return swigluTask(a, task)
    case 33:
      return swigluBackwardTask(a, task)
    case 34:
      return ropeTask(a, task, scratch)
    default:
      unreachable()
  }
}
