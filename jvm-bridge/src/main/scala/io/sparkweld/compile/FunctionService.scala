package io.sparkweld
package compile

import io.sparkweld.contract.Operation
import io.sparkweld.support.Refusal

/** Answers questions about functions, as the compile service does. */
trait FunctionService {

  /** Returns the answer to `operation`, which `request` names; or the refusals. Waits as long as `patience` allows. */
  def answer[R](operation: Operation[R], request: PipelineRequest, patience: Patience): Either[Seq[Refusal], R]
}
