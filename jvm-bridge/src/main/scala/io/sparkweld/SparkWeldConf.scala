package io.sparkweld

import java.util.concurrent.TimeUnit

import scala.util.control.NonFatal

import io.sparkweld.support.{Backend, Mode, WarnOnce}

import org.apache.spark.SparkConf
import org.apache.spark.network.util.{ByteUnit, JavaUtils}
import org.apache.spark.sql.internal.SQLConf

/**
 * Declares one setting: its key, type, default, documentation, scope and parser.
 *
 * A value that does not parse counts as the default, with one warning: a typing error must not stop a job that would run without
 * SparkWeld.
 */
final case class ConfKey[T](key: String, kind: String, default: String, doc: String, scope: String, parse: String => T) {
  val defaultValue: T = parse(default)

  /** Returns the value in this session, or the application's when the session did not set it. */
  def get(conf: SQLConf): T = read(Option(conf.getConfString(key, null)))

  /** Returns the value that the application was started with. */
  def get(conf: SparkConf): T = read(conf.getOption(key))

  private def read(text: Option[String]): T = text match {
    case None => defaultValue
    case Some(value) =>
      try parse(value.trim)
      catch {
        case NonFatal(_) =>
          WarnOnce(s"conf:$key=$value",
            s"SparkWeld: $key is '$value', which is no $kind; its default ($default) is used instead.")
          defaultValue
      }
  }
}

/** Declares every `spark.sparkweld.*` key once; its `main` prints the table of docs/settings.md. */
object SparkWeldConf {
  private val Session = "session"
  private val Application = "application"

  private def boolean(key: String, default: Boolean, scope: String, doc: String): ConfKey[Boolean] =
    ConfKey(key, "boolean", default.toString, doc, scope, _.toBoolean)

  private def int(key: String, default: Int, scope: String, doc: String): ConfKey[Int] =
    ConfKey(key, "integer", default.toString, doc, scope, _.toInt)

  private def time(key: String, default: String, scope: String, doc: String): ConfKey[Long] =
    ConfKey(key, "duration", default, doc, scope, JavaUtils.timeStringAs(_, TimeUnit.MILLISECONDS))

  private def bytes(key: String, default: String, scope: String, doc: String): ConfKey[Long] =
    ConfKey(key, "size", default, doc, scope, JavaUtils.byteStringAs(_, ByteUnit.BYTE))

  private def text(key: String, scope: String, doc: String): ConfKey[Option[String]] =
    ConfKey(key, "text", "", doc, scope, value => Option(value).filter(_.nonEmpty))

  private def share(text: String): Double = {
    val value = text.toDouble
    require(value >= 0 && value <= 1) // false for NaN
    value
  }

  val Enabled: ConfKey[Boolean] = boolean("spark.sparkweld.enabled", default = true, Session,
    "Compile pandas UDFs. `false` leaves every plan as Spark made it; read again for each query.")
  val ExactEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.exact.enabled", default = false, Session,
    "Refuse every operation whose result may differ from PySpark's in the last digits (`exp`, `log`, ...) instead of " +
      "keeping it within its documented bound.")
  val BackendChoice: ConfKey[Backend.Value] = ConfKey("spark.sparkweld.backend", "one of auto, native, catalyst, python", "auto",
    "What runs UDFs: `auto` leaves it to the cost model, `native` takes kernels only, `catalyst` takes Catalyst expressions " +
      "wherever they are exact, `python` leaves every UDF as Spark planned it.", Session, Backend.parse)
  val PushdownEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.pushdown.enabled", default = true, Session,
    "Add to a filter over a UDF what it says about a column alone, so that the scan can skip data, and have it read no column " +
      "that only a UDF gets which never looks at it.")
  val LateMaterializationEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.lateMaterialization.enabled", default = true, Session,
    "Compute the UDFs that the order of a top-K query does not need for the rows that it keeps, not for all.")
  val TopKEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.topK.enabled", default = true, Session,
    "Drop rows that cannot be among the first of a top-K query right where a kernel made them.")
  val ScoreBounds: ConfKey[Mode.Value] = ConfKey("spark.sparkweld.scoreBounds.mode", "one of auto, always, never", "auto",
    "Whether kernels drop, before a filter by a model's result, the rows whose bounds, of parts of a forest or of all but the " +
      "text, say that they cannot pass, so that the model is computed for the others alone. Kernels measure whether that is " +
      "faster, and go on only while it is. Top-K queries by such a result have the worst score so far for a filter. Rows that no " +
      "row of a small joined table can bring past the filter, or among the first, are dropped before the join. `auto`: where the " +
      "model is so dear and the rows are so many that what it takes longer to plan is won back; `never`: not at all.", Session, Mode.parse)
  val FusionEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.fusion.enabled", default = true, Session,
    "Take the Filter and Project nodes around UDFs into the kernel when their expressions are supported.")
  val PipelineEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.pipeline.enabled", default = true, Session,
    "Run scalar pandas UDFs that call annotated functions of libraries as pipelines of kernels and calls in the Python worker.")
  val PipelineBlockRows: ConfKey[Int] = int("spark.sparkweld.pipeline.blockRows", 0, Session,
    "Rows of a block of such a pipeline. 0: what the L2 cache and the first blocks say.")
  val CompileTimeout: ConfKey[Long] = time("spark.sparkweld.compile.timeout", "10s", Session,
    "The longest that planning a query may wait for the compile service. Past it the query runs as Spark planned it, while the " +
      "compile goes on in the background for the next query of the same functions.")
  val CompileCpuTime: ConfKey[Long] = time("spark.sparkweld.compile.cpuTime", "30s", Session,
    "The most CPU time that the compile service may use for one request. A function that needs more is not tried again.")
  val TinyRows: ConfKey[Int] = int("spark.sparkweld.compile.tinyRows", 1000, Session,
    "A query that is known to have so few rows runs as Spark planned it until its functions come again, and while they are " +
      "compiled; one that has more waits at most half a millisecond a row. `0`: every query waits for as long as " +
      "`spark.sparkweld.compile.timeout` says.")
  val ObjectTimeout: ConfKey[Long] = time("spark.sparkweld.compile.objectTimeout", "60s", Application,
    "The longest that a task may wait for a kernel's object code; past it the task runs the UDF in Python.")
  val CompilePython: ConfKey[Option[String]] = text("spark.sparkweld.compile.python", Application,
    "The Python that runs the compile service. Unset: the Python of the function's workers, whose libraries decide " +
      "what the function means.")
  val CompilePythonPath: ConfKey[Option[String]] = text("spark.sparkweld.compile.pythonPath", Application,
    "Added to the compile service's PYTHONPATH, for a `sparkweld` package that is not installed in the workers' Python.")
  val Unpickle: ConfKey[Boolean] = ConfKey("spark.sparkweld.compile.unpickle", "one of auto, never", "auto",
    "Whether the driver's compile service may read the pickles of functions to plan queries, which runs code of their authors on the " +
      "driver's machine. `never`, or what is neither: UDFs run as Spark planned them, models of pyspark.ml still run in kernels. See " +
      "[security](security.md).", Application, _.equalsIgnoreCase("auto"))
  val ServiceMemory: ConfKey[Long] = bytes("spark.sparkweld.compile.maxMemory", "8g", Application,
    "The most memory that a compile service may have. A function or model that needs more runs as Spark planned it. `0`: no limit.")
  val WarmupEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.compile.warmup.enabled", default = true, Application,
    "Start the compile service in the background when the application starts, so that the first query finds it ready.")
  val CachedReplies: ConfKey[Int] = int("spark.sparkweld.compile.cachedReplies", 256, Application,
    "How many compiled or refused pipelines the driver remembers.")
  val CacheDir: ConfKey[Option[String]] = text("spark.sparkweld.cache.dir", Application,
    "Folder of the cache of object code, on the driver and on each executor: an absolute path. It is made for this user alone; " +
      "one that others own or can write is not used, with one warning. Unset: `~/.cache/sparkweld`.")
  val CacheMaxBytes: ConfKey[Long] = bytes("spark.sparkweld.cache.maxBytes", "256m", Application,
    "The cache of object code is kept below this size; the entries used longest ago go first.")
  val CachedKernels: ConfKey[Int] = int("spark.sparkweld.kernel.cached", 256, Application,
    "How many linked kernels an executor keeps. A kernel in use is never dropped.")
  val ModelsMemory: ConfKey[Long] = bytes("spark.sparkweld.models.memory", "1g", Application,
    "The most memory for the constants of models: off-heap in each executor, which all of its tasks share, and on the driver " +
      "for models that no plan holds. The ones used longest ago go first; a model in use is never dropped.")
  val ModelFilesMaxBytes: ConfKey[Long] = bytes("spark.sparkweld.models.files.maxBytes", "1g", Session,
    "The largest file that a pandas UDF may load a model from and still be compiled; `0`: none. The driver reads it when it plans " +
      "the query; a task that finds another file, or none, runs the UDF in Python.")
  val MaxTextBytes: ConfKey[Long] = bytes("spark.sparkweld.kernel.maxTextBytes", "1g", Session,
    "The most memory for the strings that a kernel makes of one batch; a batch that needs more runs in Python. " +
      "Strings that are parts of an input need none.")
  val CacheChoice: ConfKey[Mode.Value] = ConfKey("spark.sparkweld.featureCache.mode", "one of auto, always, never", "auto",
    "Whether kernels remember what they gave for rows that come again, in a batch or in later ones: `auto` for as long as that is " +
      "measured to be faster than to compute them, `never` not at all. The same for the terms of texts, unless it is `never`.", Session,
    Mode.parse)
  val CacheMemory: ConfKey[Long] = bytes("spark.sparkweld.featureCache.maxBytes", "128m", Application,
    "The most memory for what is remembered, off-heap in each executor; what is found least goes first. `0`: nothing is.")
  val StreamAfter: ConfKey[Int] = int("spark.sparkweld.fallback.streamAfter", 4, Session,
    "After so many batches in a row that had to run in Python, the rest of the partition streams through one Python run.")
  val DropsSlower: ConfKey[Boolean] = boolean("spark.sparkweld.kernel.dropSlower.enabled", default = true, Session,
    "Leave functions to Spark whose kernel is measured to be slower than Python, or whose guards leave most rows to Python, for the " +
      "rest of the query and for the next ones. `explain` says what was measured.")
  val ShadowFraction: ConfKey[Double] = ConfKey("spark.sparkweld.shadow.fraction", "number from 0 to 1", "0",
    "The share of batches that also run as Spark planned them, in Python, to be compared with what the kernel gave. A difference " +
      "gives one warning and turns that kernel off until the application ends.", Session, share)
  val CascadesPath: ConfKey[Option[String]] = text("spark.sparkweld.cascades.path", Session,
    "A folder of certified cascades on the driver, or one of them. A UDF that holds the model of one uses the cascade, so that " +
      "its answers are the certified ones and not those of the model alone.")
  val RankingsPath: ConfKey[Option[String]] = text("spark.sparkweld.rankings.path", Session,
    "A folder of certified rankings on the driver, or one of them. `orderBy(score desc).limit(k)` over a UDF that gives the score of " +
      "the model of one is answered by candidates, so that its rows are those that the ranking finds.")
  val ExplainEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.explain.enabled", default = true, Application,
    "Add what was compiled, and why the rest was not, to `df.explain()` and to the SQL page of the Spark UI.")

  val all: Seq[ConfKey[_]] = Seq(Enabled, ExactEnabled, BackendChoice, PushdownEnabled, LateMaterializationEnabled, TopKEnabled,
    ScoreBounds, FusionEnabled, PipelineEnabled, PipelineBlockRows, CompileTimeout, CompileCpuTime, TinyRows, ObjectTimeout,
    CompilePython, CompilePythonPath, Unpickle, ServiceMemory, WarmupEnabled, CachedReplies, CacheDir, CacheMaxBytes, CachedKernels, ModelsMemory, ModelFilesMaxBytes, MaxTextBytes, CacheChoice,
    CacheMemory, StreamAfter, DropsSlower, ShadowFraction, CascadesPath, RankingsPath, ExplainEnabled)

  /** Returns the settings as a Markdown table. */
  def markdown: String = {
    val rows = all.map { key =>
      val default = if (key.default.isEmpty) "unset" else s"`${key.default}`"
      s"| `${key.key}` | ${key.kind} | $default | ${key.scope} | ${key.doc} |"
    }
    (Seq("| key | type | default | read per | what it does |", "|---|---|---|---|---|") ++ rows).mkString("\n")
  }

  def main(arguments: Array[String]): Unit = println(markdown)
}
