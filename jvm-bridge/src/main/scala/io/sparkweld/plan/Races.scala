package io.sparkweld
package plan

import java.io.IOException
import java.lang.management.ManagementFactory
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Paths}

import scala.util.control.NonFatal

import io.sparkweld.compile.Lru
import io.sparkweld.host.Processes
import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * Records the kernels of this application that are timed against Python, by their request; see [[Race]].
 *
 * Queries planned while a kernel is dropped leave its functions to Spark. After a number of such queries it is tried again in a
 * new round (`turn`), because the next table may differ; the number doubles each time. The driver's half knows all drops of
 * executors; a task receives the round from it.
 */
object Races {
  private val Word = "sparkweld-race"
  private val Most = 1024
  private val FirstRest = 64
  private val LongestRest = 1 << 14

  @volatile private var races = new Lru[String, Race](Most)
  @volatile private var driver: Option[AnyRef => AnyRef] = None

  /** Resets the records for a new application in this JVM. `ask`: sends a message to the driver's half; None in its own JVM. */
  def start(ask: Option[AnyRef => AnyRef]): Unit = {
    races = new Lru[String, Race](Most)
    driver = ask
  }

  /** Returns the race of a request's kernel in a round. */
  def of(request: String, turn: Int): Race = races.synchronized {
    races.get(request).filter(_.turn >= turn).getOrElse(entered(request, turn, FirstRest))
  }

  /** Returns the round for the tasks of a query that starts now. */
  def turn(request: String): Int = races.get(request).fold(0)(_.turn)

  /** Returns why the kernel is dropped, for a query that is being planned; each call counts towards the next round. */
  def refusal(request: String): Option[Refusal] = races.synchronized {
    races.get(request).flatMap { race =>
      val why = race.lost
      if (why.isDefined && race.rested()) {
        entered(request, race.turn + 1, math.min(LongestRest, 2 * race.rest))
        None
      } else why
    }
  }

  /** Returns why the kernel is dropped, for explain. */
  def lost(request: String): Option[Refusal] = races.get(request).flatMap(_.lost)

  /** Returns the number of kernels that are dropped now. */
  def count: Long = races.values.count(_.lost.isDefined).toLong

  /** Drops a kernel, and reports it to the driver. */
  private[plan] def drop(race: Race, request: String, udfs: String, what: String): Unit = if (race.lose(refused(udfs, what))) {
    WarnOnce(s"race:$request", s"SparkWeld: ${refused(udfs, what).text}")
    driver.foreach(ask => WarnOnce.guard("a message to the driver", ()) {
      ask(Array[AnyRef](Word, request, Int.box(race.turn), udfs, what))
      ()
    })
  }

  /** Answers a message of `drop`; None for another kind of message. */
  def receive(message: AnyRef): Option[AnyRef] = message match {
    case Array(Word, request: String, turn: Integer, udfs: String, what: String) =>
      drop(of(request, turn), request, udfs, what)
      Some(message)
    case _ => None
  }

  private def refused(udfs: String, what: String): Refusal = Refusal("SW959", "udf" -> udfs, "what" -> what)

  private def entered(request: String, turn: Int, rest: Int): Race = {
    val race = new Race(turn, rest)
    races.put(request, race)
    race
  }
}

/**
 * Measures one kernel in one round, over the tasks of a JVM, and decides whether it is slower than Python.
 *
 * Either its guards leave most rows to Python, after the kernel has run in vain. Or it takes longer per row than Python could.
 * The second is measured only for kernels that are slower than the minimum cost of a row in a worker. They must also have run
 * long enough for the measurement to pay.
 */
final class Race(val turn: Int, val rest: Int) {
  import Race._

  @volatile private var why = Option.empty[Refusal]
  private var rows, nanos, batches = 0L
  private var left = 0.0 // sum of the batches' shares that ran in Python
  private var recent = 0.0 // ns per row
  private var accepted = 0.0 // ns per row, when it was last measured to be faster
  private var sampling = false
  private var needed = LeastNanos
  private var waited = 0

  def lost: Option[Refusal] = why

  /** Records a batch of `batchRows` rows: the time without that of Python, and the share of rows that Python had to decide. */
  def ran(batchRows: Int, batchNanos: Long, share: Double): Unit = synchronized {
    rows += batchRows
    nanos += batchNanos
    batches += 1
    left += share
    recent += (batchNanos.toDouble / batchRows - recent) / math.min(batches, Recent.toLong)
  }

  /** Returns the reason when Python decides most rows. A single batch may be an exception, unless Python decides all of it. */
  def flagged: Option[String] = synchronized {
    Option.when(rows >= LeastRows && left / (batches + 0.25) >= MostLeft)(
      f"its guards left ${100 * left / batches}%.0f%% of the rows to Python, after the kernel had run on them")
  }

  /** Whether the caller should measure Python now. */
  def requiresSample(): Boolean = synchronized {
    val due = !sampling && nanos >= needed && recent > math.max(LeastNanosARow, Slower * accepted)
    sampling |= due
    due
  }

  /** Records Python's ns per row, if it could be measured; returns why the kernel should be dropped, if so. */
  def sampled(python: Option[Double]): Option[String] = synchronized {
    sampling = false
    if (python.isEmpty) needed = 2 * nanos
    val own = recent + python.getOrElse(0.0) * left / batches
    if (python.isDefined) accepted = math.max(own, LeastNanosARow)
    python.filter(own > _ * Worth).map(theirs => f"it took $own%,.0f ns per row, and Python $theirs%,.0f ns")
  }

  /** Whether the query that is planned now should try it again. */
  private[plan] def rested(): Boolean = synchronized {
    waited += 1
    waited > rest
  }

  private[plan] def lose(refusal: Refusal): Boolean = synchronized {
    val first = why.isEmpty
    if (first) why = Some(refusal)
    first
  }
}

private object Race {
  /** Measurements of fewer rows are meaningless, and hardly worth it. */
  private val LeastRows = 1000
  private val MostLeft = 0.75

  /** A row takes 500 ns to 1 µs through a worker, for any function. */
  private val LeastNanosARow = 1000.0
  private val LeastNanos = 500L * 1000 * 1000
  private val Recent = 8

  /** A kernel that was faster is measured again when it has become slower by this factor, because the rows have changed. */
  private val Slower = 2.0
  private val Worth = 1.1
}

/**
 * A task's view of its kernel's race. `flags`: the share of the last batch that the kernel did not decide.
 *
 * @param timesPython whether `python` computes what the kernel does
 */
private final class Lane(race: Race, request: String, udfs: String, timesPython: Boolean, python: => Fallback) {
  private var flags = 0.0
  private var spent = 0L // by Python, within the batch

  def isLost: Boolean = race.lost.isDefined

  /** Records the flagged rows: `together` require the whole batch to be decided by Python, `alone` run on their own. */
  def flagged(rows: Int, together: Long, alone: Int, decided: Boolean): Unit =
    flags = if (decided) alone.toDouble / rows else if (together == 0) 1.0 else 1 - math.exp(-together.toDouble)

  /** Runs a call within `timed` whose time is Python's. */
  def apart[T](call: => T): T = {
    val started = Lane.cpuNanos()
    try call
    finally spent += Lane.cpuNanos() - started
  }

  /** Runs the kernel over a batch, and drops the kernel when that was slower than Python. */
  def timed(batch: ColumnarBatch)(call: => Boolean): Boolean = {
    flags = 0
    spent = 0
    val started = Lane.cpuNanos()
    val done = call
    val nanos = Lane.cpuNanos() - started - spent
    race.ran(batch.numRows(), nanos, if (done || flags > 0) flags else 1.0)
    race.flagged.orElse(if (done && timesPython && race.requiresSample()) race.sampled(pythonNanos(batch, nanos)) else None)
      .foreach(Races.drop(race, request, udfs, _))
    done
  }

  /**
   * Measures Python's time per row, as the difference between many and few rows, which cancels the fixed cost of a call. A first
   * call is not counted, because a worker may have to start. Most kernels win clearly, which a small sample shows; otherwise takes
   * the minimum of two large ones, because other work on the machine adds to it.
   */
  private def pythonNanos(batch: ColumnarBatch, kernelNanos: Long): Option[Double] =
    try {
      val own = math.max(kernelNanos, 1).toDouble / batch.numRows()
      val many = math.max(Lane.LeastSample, (Lane.SampleNanos / own).toInt)
      val once = Array.tabulate(math.min(many, batch.numRows()))(row => python.copyOf(batch.getRow(row)))
      val rows = Array.tabulate(many)(row => once(row % once.length))
      def nanos(count: Int): Long = Lane.cost(python.rows(rows.take(count)))
      def sample(most: Int): CallTimes = CallTimes(most / Lane.Fewer, nanos(most / Lane.Fewer), most, nanos(most))
      python.rows(rows.take(many / Lane.Quick))
      val quick = sample(many / Lane.Quick)
      if (quick.isAbove(own)) quick.nanosARow
      else {
        val first = sample(many)
        (if (first.isAbove(own)) first else first.least(sample(many))).nanosARow
      }
    } catch {
      case NonFatal(problem) => // perhaps for a flagged row, which raises where it is decided
        WarnOnce(s"race:${problem.getClass.getName}",
          s"SparkWeld: a kernel could not be timed against Python, which failed on some of its rows ($problem).")
        None
    }
}

/** Holds the times of two calls of Python, for `few` and for `many` rows. */
final case class CallTimes(few: Int, fewNanos: Long, many: Int, manyNanos: Long) {
  private def difference: Long = manyNanos - fewNanos

  def nanosARow: Option[Double] = Some(difference.toDouble / (many - few)).filter(_ > 0)

  /** Whether Python takes far more than `kernel` nanoseconds per row, even if the fixed costs of the calls differ. */
  def isAbove(kernel: Double): Boolean =
    difference > CallTimes.Clear * kernel * (many - few) + math.max(CallTimes.Unsteady, fewNanos / 2)

  /** Returns the lower times of both, whose numbers of rows are equal. */
  def least(other: CallTimes): CallTimes =
    copy(fewNanos = math.min(fewNanos, other.fewNanos), manyNanos = math.min(manyNanos, other.manyNanos))
}

private object CallTimes {
  private val Clear = 2.0

  /** The fixed cost of a call varies by some milliseconds. */
  private val Unsteady = 30L * 1000 * 1000
}

private object Lane {
  private val threads = ManagementFactory.getThreadMXBean
  private val LeastSample = 128

  /** Kernel time for the rows of a sample: far above the variation of a call's fixed cost. */
  private val SampleNanos = 100L * 1000 * 1000
  private val Fewer = 8
  private val Quick = 8

  /** CPU time of this thread, to exclude other load on the machine. */
  private def cpuNanos(): Long = if (threads.isCurrentThreadCpuTimeSupported) threads.getCurrentThreadCpuTime else System.nanoTime()

  /** Returns the nanoseconds of a call of Python: the CPU time of this thread and the workers, at most the wall time. */
  private def cost(call: => Unit): Long = {
    val (workers, own, started) = (workerNanos(), cpuNanos(), System.nanoTime())
    call
    val wall = System.nanoTime() - started
    (for (before <- workers; after <- workerNanos()) yield after - before + cpuNanos() - own).filter(_ > 0).fold(wall)(math.min(_, wall))
  }

  /** Returns the CPU time of all descendant processes, which Linux reports in nanoseconds. */
  private def workerNanos(): Option[Long] = try {
    val known = Processes.descendants.flatMap(nanosOf(_))
    Option.when(known.nonEmpty)(known.sum)
  } catch { case NonFatal(_) => None }

  private def nanosOf(pid: Long): Option[Long] = try {
    Some(new String(Files.readAllBytes(Paths.get(s"/proc/$pid/schedstat")), UTF_8).takeWhile(_ != ' ').toLong)
  } catch { case _: IOException | _: NumberFormatException => None } // it has ended, or the system lacks this file
}
