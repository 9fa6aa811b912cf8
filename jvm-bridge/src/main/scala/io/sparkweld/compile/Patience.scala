package io.sparkweld.compile

/**
 * How long a query waits for the compile service: at most as long as a kernel may win back.
 *
 * @param tiny the query has few rows: nothing is compiled for it before its functions come again, and it waits for nothing
 * @param calls numbers of the calls of functions in its plan, the same for all rules and stages that plan it
 */
abstract class Patience {
  def tiny: Boolean
  def calls: Set[Long]
  def waitMs: Long

  /** It has waited in vain, and does not wait again. */
  def gaveUp(): Unit = ()
}

object Patience {

  /** That of a task, or of a rule outside of a query. */
  def upTo(timeoutMs: Long): Patience = new Patience {
    override def tiny: Boolean = false
    override def calls: Set[Long] = Set.empty
    override def waitMs: Long = timeoutMs
  }
}

/** Which functions tiny queries have had: one that never comes again is not worth compiling. */
final class Sightings {
  private val first = new Lru[String, Set[Long]](4096)

  /** Whether the functions of `request` were seen in another query than that of `patience`. */
  def again(request: PipelineRequest, patience: Patience): Boolean = {
    val seen = first.getOrElseUpdate(request.functions, patience.calls)
    seen.intersect(patience.calls).isEmpty
  }
}
