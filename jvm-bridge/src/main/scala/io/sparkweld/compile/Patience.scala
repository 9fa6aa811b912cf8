package io.sparkweld
package compile

/**
 * Decides how long a query waits for the compile service: at most the time that a kernel may save.
 *
 * @param tiny the query has few rows: its functions are compiled only when they are repeated in another query, and it never waits
 * @param calls ids of the calls of functions in its plan, the same for all rules and stages that plan it
 */
abstract class Patience {
  def tiny: Boolean
  def calls: Set[Long]
  def waitMs: Long

  /** Records that the query waited in vain; it does not wait again. */
  def gaveUp(): Unit = ()
}

object Patience {

  /** Returns the patience of a task, or of a rule outside of a query. */
  def upTo(timeoutMs: Long): Patience = new Patience {
    override def tiny: Boolean = false
    override def calls: Set[Long] = Set.empty
    override def waitMs: Long = timeoutMs
  }
}

/** Remembers the functions of tiny queries: a function that is never repeated is not worth compiling. */
final class Sightings {
  private val first = new Lru[String, Set[Long]](4096)

  /** Whether the functions of `request` were seen in another query than that of `patience`. */
  def again(request: PipelineRequest, patience: Patience): Boolean = {
    val seen = first.getOrElseUpdate(request.functions, patience.calls)
    seen.intersect(patience.calls).isEmpty
  }
}
