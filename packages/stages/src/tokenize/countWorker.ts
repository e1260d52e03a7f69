/** A thread that counts words. */
import { serve } from "../threads/serve.ts"
import { open } from "./countBatch.ts"

serve(open)
