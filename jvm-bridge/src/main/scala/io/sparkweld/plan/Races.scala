package io.sparkweld.plan

import java.io.IOException
import java.lang.management.ManagementFactory
import java.nio.file.{Files, Paths}

import scala.jdk.CollectionConverters._
import scala.util.control.NonFatal

import io.sparkweld.compile.Lru
import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * The kernels of this application that are measured against Python, by their request; see [[Race]]. Queries that are planned while a
 * kernel is dropped leave its functions to Spark. After some of them it gets another turn, as the next table may be another one; each
 * time it is dropped, after twice as many. The driver's half knows all that executors have dropped; a task gets the turn from it.
 */
object Races {
  private val Word = "sparkweld-race"
  private val Most = 1024
  private val FirstRest = 64
  private val LongestRest = 1 << 14

  @volatile private var races = new Lru[String, Race](Most)
  @volatile private var driver: Option[AnyRef => AnyRef] = None

  /** A new application starts in this JVM. `ask`: sends a message to the driver's half; None in its own JVM. */
  def start(ask: Option[AnyRef => AnyRef]): Unit = {
    races = new Lru[String, Race](Most)
    driver = ask
  }

  /** The race of a request's kernel in a turn. */
  def of(request: String, turn: Int): Race = races.synchronized {
    races.get(request).filter(_.turn >= turn).getOrElse(entered(request, turn, FirstRest))
  }

  /** The turn that tasks of a query which starts now are in. */
  def turn(request: String): Int = races.get(request).fold(0)(_.turn)

  /** Why the kernel is dropped, for a query that is being planned. */
  def refusal(request: String): Option[Refusal] = races.synchronized {
    races.get(request).flatMap { race =>
      val why = race.lost
      if (why.isDefined && race.rested()) {
        entered(request, race.turn + 1, math.min(LongestRest, 2 * race.rest))
        None
      } else why
    }
  }

  /** Why the kernel is dropped, for explain. */
  def lost(request: String): Option[Refusal] = races.get(request).flatMap(_.lost)

  /** Drops a kernel, and tells the driver. */
  private[plan] def drop(race: Race, request: String, udfs: String, what: String): Unit = if (race.lose(refused(udfs, what))) {
    WarnOnce(s"race:$request", s"SparkWeld: ${refused(udfs, what).text}")
    driver.foreach(ask => WarnOnce.guard("a message to the driver", ()) {
      ask(Array[AnyRef](Word, request, Int.box(race.turn), udfs, what))
      ()
    })
  }

  /** Answers a message of `drop`; None for one of another kind. */
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
 * What the tasks of a JVM have measured of one kernel in one turn, and whether it is slower than Python. Two things show that. Its guards
 * may leave most rows to Python, after the kernel was paid. Or it takes longer for a row than Python could: that is asked
 * only of kernels that take more than any row costs on its way through a worker, once they have taken so long in all
 * that the answer is worth its price.
 */
final class Race(val turn: Int, val rest: Int) {
  import Race._

  @volatile private var why = Option.empty[Refusal]
  private var rows, nanos, batches = 0L
  private var left = 0.0 // the sum of the batches' shares that went to Python
  private var recent = 0.0 // ns a row
  private var accepted = 0.0 // ns a row, when it was faster
  private var sampling = false
  private var needed = LeastNanos
  private var waited = 0

  def lost: Option[Refusal] = why

  /** A batch of so many rows took so long without what Python took, and Python had to decide this share of it. */
  def ran(batchRows: Int, batchNanos: Long, share: Double): Unit = synchronized {
    rows += batchRows
    nanos += batchNanos
    batches += 1
    left += share
    recent += (batchNanos.toDouble / batchRows - recent) / math.min(batches, Recent.toLong)
  }

  /** That Python decides most rows anyway, if it does. A single batch may be an exception, but not one in which it decides all. */
  def flagged: Option[String] = synchronized {
    Option.when(rows >= LeastRows && left / (batches + 0.25) >= MostLeft)(
      f"its guards left ${100 * left / batches}%.0f%% of the rows to Python, after the kernel was paid")
  }

  /** Whether the caller is to measure Python now. */
  def wantsSample(): Boolean = synchronized {
    val due = !sampling && nanos >= needed && recent > math.max(LeastNanosARow, Slower * accepted)
    sampling |= due
    due
  }

  /** Python takes so many ns for a row, as far as it could be measured; gives why the kernel is to be dropped. */
  def sampled(python: Option[Double]): Option[String] = synchronized {
    sampling = false
    if (python.isEmpty) needed = 2 * nanos
    val own = recent + python.getOrElse(0.0) * left / batches
    if (python.isDefined) accepted = math.max(own, LeastNanosARow)
    python.filter(own > _ * Worth).map(theirs => f"it took $own%,.0f ns a row, and Python $theirs%,.0f ns")
  }

  /** Whether the query that is planned now is to try it again. */
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
  /** In fewer rows, what is measured says nothing, and is not worth much. */
  private val LeastRows = 1000
  private val MostLeft = 0.75

  /** A row on its way through a worker takes 500 ns to 1 µs, whatever the function does. */
  private val LeastNanosARow = 1000.0
  private val LeastNanos = 500L * 1000 * 1000
  private val Recent = 8

  /** A kernel that was faster is measured again when it has become so much slower, as the rows have changed. */
  private val Slower = 2.0
  private val Worth = 1.1
}

/** A task's part in the race of its kernel. `flags`: what of the last batch the kernel did not decide. */
private final class Lane(race: Race, request: String, udfs: String, python: => Fallback) {
  private var flags = 0.0
  private var spent = 0L // by Python, within the batch

  def isLost: Boolean = race.lost.isDefined

  /** The kernel flagged so many rows that only the whole batch can decide, and so many that run alone. */
  def flagged(rows: Int, together: Long, alone: Int, decided: Boolean): Unit =
    flags = if (decided) alone.toDouble / rows else if (together == 0) 1.0 else 1 - math.exp(-together.toDouble)

  /** What runs within `timed` and is Python's. */
  def apart[T](call: => T): T = {
    val started = Lane.cpuNanos()
    try call
    finally spent += Lane.cpuNanos() - started
  }

  /** Runs the kernel over a batch, and drops the kernel when that was worse than Python. */
  def timed(batch: ColumnarBatch)(call: => Boolean): Boolean = {
    flags = 0
    spent = 0
    val started = Lane.cpuNanos()
    val done = call
    val nanos = Lane.cpuNanos() - started - spent
    race.ran(batch.numRows(), nanos, if (done || flags > 0) flags else 1.0)
    race.flagged.orElse(if (done && race.wantsSample()) race.sampled(pythonNanos(batch, nanos)) else None)
      .foreach(Races.drop(race, request, udfs, _))
    done
  }

  /**
   * How long Python takes for a row: of more rows and of fewer, so that what each call takes goes, and after a first call, for which a worker
   * may have to start. The least of what is measured, as other work on the machine adds to it.
   */
  private def pythonNanos(batch: ColumnarBatch, kernelNanos: Long): Option[Double] =
    try {
      val many = math.max(Lane.LeastSample, (Lane.SampleNanos * batch.numRows() / math.max(kernelNanos, 1)).toInt)
      val once = Array.tabulate(math.min(many, batch.numRows()))(row => python.copyOf(batch.getRow(row)))
      val rows = Array.tabulate(many)(row => once(row % once.length))
      val few = rows.take(many / Lane.Fewer)
      python.rows(few)
      val (some, all) = (1 to Lane.Samples).map(_ => (Lane.cost(python.rows(few)), Lane.cost(python.rows(rows)))).unzip
      Some((all.min - some.min).toDouble / (rows.length - few.length)).filter(_ > 0)
    } catch {
      case NonFatal(problem) => // perhaps of a row that a guard flags, and which raises where it belongs
        WarnOnce(s"race:${problem.getClass.getName}",
          s"SparkWeld: a kernel is not compared with Python, which could not run some of its rows ($problem).")
        None
    }
}

private object Lane {
  private val threads = ManagementFactory.getThreadMXBean
  private val LeastSample = 128

  /** What the kernel would take for the rows of a sample: much more than a call of Python takes more at one time than at another. */
  private val SampleNanos = 100L * 1000 * 1000
  private val Fewer = 8
  private val Samples = 2

  /** Of this thread: what others do on the machine is not the kernel's. */
  private def cpuNanos(): Long = if (threads.isCurrentThreadCpuTimeSupported) threads.getCurrentThreadCpuTime else System.nanoTime()

  /** Nanoseconds of a call of Python: on a machine that is busy, those for which this thread and the workers had a processor. */
  private def cost(call: => Unit): Long = {
    val (workers, own, started) = (workerNanos(), cpuNanos(), System.nanoTime())
    call
    val wall = System.nanoTime() - started
    (for (before <- workers; after <- workerNanos()) yield after - before + cpuNanos() - own).filter(_ > 0).fold(wall)(math.min(_, wall))
  }

  /** The processor time of all processes below this one, which Linux tells to the nanosecond. */
  private def workerNanos(): Option[Long] = try {
    val known = ProcessHandle.current().descendants().iterator().asScala.flatMap(nanosOf).toSeq
    Option.when(known.nonEmpty)(known.sum)
  } catch { case NonFatal(_) => None }

  private def nanosOf(process: ProcessHandle): Option[Long] = try {
    Some(Files.readString(Paths.get(s"/proc/${process.pid}/schedstat")).takeWhile(_ != ' ').toLong)
  } catch { case _: IOException | _: NumberFormatException => None } // it has ended, or this system has no such file
}
