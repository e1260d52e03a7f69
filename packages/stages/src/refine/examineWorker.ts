/** A thread that examines documents. */
import { serve } from "../threads/serve.ts"
import { open } from "./examine.ts"

serve(open)
