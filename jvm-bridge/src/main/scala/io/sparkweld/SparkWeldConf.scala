package io.sparkweld

import java.util.concurrent.TimeUnit

import scala.util.Try
import scala.util.control.NonFatal

import io.sparkweld.support.{Backend, Mode, NamePatterns, WarnOnce}

import org.apache.spark.{SparkConf, TaskContext}
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

  /**
   * Returns the value for the scheduler pool of this thread, else that of this session, else the application's. A pool has its own
   * value of `spark.sparkweld.X` in `spark.sparkweld.pool.POOL.X`.
   */
  def get(conf: SQLConf): T =
    read(ConfKey.pool.flatMap(pool => Option(conf.getConfString(s"${ConfKey.Prefix}pool.$pool.${key.drop(ConfKey.Prefix.length)}", null)))
      .orElse(Option(conf.getConfString(key, null))))

  /** Returns the value that the application was started with. */
  def get(conf: SparkConf): T = read(conf.getOption(key))

  private def read(text: Option[String]): T = text match {
    case None => defaultValue
    case Some(value) =>
      try parse(value.trim)
      catch {
        case NonFatal(_) =>
          WarnOnce(s"conf:$key=$value",
            s"SparkWeld: $key is '$value' (expected: $kind). The default, '$default', is used instead.")
          defaultValue
      }
  }
}

object ConfKey {
  private val Prefix = "spark.sparkweld."
  private val Pool = "spark.scheduler.pool"

  /** The scheduler pool of this thread's query or task; None for the default pool. */
  private def pool: Option[String] = Option(TaskContext.get()) match {
    case Some(task) => Option(task.getLocalProperty(Pool))
    case None => SparkWeldRuntime.driver.flatMap(_.property(Pool))
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
    ConfKey(key, "string", "", doc, scope, value => Option(value).filter(_.nonEmpty))

  private def share(text: String): Double = {
    val value = text.toDouble
    require(value >= 0 && value <= 1) // false for NaN
    value
  }

  private def format(text: String): String = {
    require(text == "text" || text == "json")
    text
  }

  val Enabled: ConfKey[Boolean] = boolean("spark.sparkweld.enabled", default = true, Session,
    "Compile pandas UDFs. `false` leaves every plan as Spark made it. Read for each query.")
  val ExactEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.exact.enabled", default = false, Session,
    "Refuse every operation whose result may differ from PySpark's in the last digits (`exp`, `log`, ...). `false` accepts " +
      "the documented bound of each such operation.")
  val Deny: ConfKey[NamePatterns] = ConfKey("spark.sparkweld.deny", "patterns", "",
    "What is left to Spark: `KIND:PATTERN`, separated by commas, where `*` stands for any characters. The kinds are `function`, " +
      "`module`, `user`, `group` and `tag` (of jobs) and `pool` (of Spark's scheduler). See [operating](operators.md).", Session, NamePatterns.parse)
  val Allow: ConfKey[NamePatterns] = ConfKey("spark.sparkweld.allow", "patterns", "",
    "What is not left to Spark, in the same form. For each kind that it mentions, one of its patterns must match. `deny` wins.",
    Session, NamePatterns.parse)
  val RolloutFraction: ConfKey[Option[Double]] = ConfKey("spark.sparkweld.rollout.fraction", "number from 0 to 1", "1",
    "The share of queries that SparkWeld may change; the others are left to Spark. The choice depends on the query's functions and " +
      "operators, so that a job that runs again gets the same. Add `spark.sparkweld.shadow.fraction` to compare results.", Session,
    text => Try(share(text)).toOption)
  val KillFile: ConfKey[Option[String]] = text("spark.sparkweld.killSwitch.path", Application,
    "The absolute path of a file on the driver. While the file exists, every new query is left to Spark.")
  val BackendChoice: ConfKey[Backend.Value] = ConfKey("spark.sparkweld.backend", "one of auto, native, catalyst, python", "auto",
    "The backend that runs UDFs. `auto`: the cost model chooses; `native`: kernels only; `catalyst`: Catalyst expressions " +
      "wherever they are exact; `python`: every UDF runs as Spark planned it.", Session, Backend.parse)
  val PushdownEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.pushdown.enabled", default = true, Session,
    "Derive predicates on columns from a filter over a UDF, so that the scan can skip data. Prune columns that are passed only to " +
      "UDFs that never read them.")
  val LateMaterializationEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.lateMaterialization.enabled", default = true, Session,
    "In a top-K query, compute the UDFs that the order does not depend on only for the rows of the result.")
  val TopKEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.topK.enabled", default = true, Session,
    "In a top-K query, discard rows below the current K-th row in the task that runs the kernel, before Spark's sort.")
  val ScoreBounds: ConfKey[Mode.Value] = ConfKey("spark.sparkweld.scoreBounds.mode", "one of auto, always, never", "auto",
    "Skip rows whose score bound cannot satisfy a filter, before full scoring. A bound comes from some trees of a forest, or from " +
      "all features but the text. Kernels measure whether this is faster, and stop when it is not. A top-K query by the score uses " +
      "the K-th best score so far as its filter. Rows that no row of a small joined table can bring past the filter, or among " +
      "the first K, are pruned before the join. `auto`: where the expected saving exceeds the extra planning time; `never`: not at " +
      "all.", Session, Mode.parse)
  val FusionEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.fusion.enabled", default = true, Session,
    "Fuse the Filter and Project nodes around UDFs into the kernel when their expressions are supported.")
  val PipelineEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.pipeline.enabled", default = true, Session,
    "Run scalar pandas UDFs that call annotated library functions as pipelines of kernels and calls in the Python worker. Divide " +
      "chains of plain UDFs of which only the inner ones compile.")
  val PipelineBlockRows: ConfKey[Int] = int("spark.sparkweld.pipeline.blockRows", 0, Session,
    "Rows per block of such a pipeline. `0`: chosen from the L2 cache size and measurements of the first blocks.")
  val CompileTimeout: ConfKey[Long] = time("spark.sparkweld.compile.timeout", "10s", Session,
    "The longest time that query planning waits for the compile service. After it, the query runs as Spark planned it, and " +
      "compilation continues in the background for the next query with the same functions.")
  val CompileCpuTime: ConfKey[Long] = time("spark.sparkweld.compile.cpuTime", "30s", Session,
    "The CPU time limit of the compile service for one request. A function that exceeds it is not compiled again.")
  val TinyRows: ConfKey[Int] = int("spark.sparkweld.compile.tinyRows", 1000, Session,
    "A query with at most this number of rows, if known, does not wait for its kernels. It runs as Spark planned it until its " +
      "functions are used again and compiled. Larger queries wait at most half a millisecond per row. `0`: every query waits up to " +
      "`spark.sparkweld.compile.timeout`.")
  val ObjectTimeout: ConfKey[Long] = time("spark.sparkweld.compile.objectTimeout", "60s", Application,
    "The longest time that a task waits for a kernel's object code. After it, the task runs the UDF in Python.")
  val CompilePython: ConfKey[Option[String]] = text("spark.sparkweld.compile.python", Application,
    "The Python interpreter of the compile service. Unset: the interpreter of the function's workers, whose library versions " +
      "define the function's results.")
  val CompilePythonPath: ConfKey[Option[String]] = text("spark.sparkweld.compile.pythonPath", Application,
    "Added to the PYTHONPATH of the compile service, for a `sparkweld` package that the workers' Python does not have.")
  val Unpickle: ConfKey[Boolean] = ConfKey("spark.sparkweld.compile.unpickle", "one of auto, never", "auto",
    "Whether the driver's compile service may unpickle functions to plan queries. Unpickling runs code of their authors on the " +
      "driver's machine. `never`, or any value other than `auto`: UDFs run as Spark planned them; models of pyspark.ml still run in " +
      "kernels. See [security](security.md).", Application, _.equalsIgnoreCase("auto"))
  val ServiceMemory: ConfKey[Long] = bytes("spark.sparkweld.compile.maxMemory", "8g", Application,
    "The memory limit of a compile service. A function or model that needs more runs as Spark planned it. `0`: no limit.")
  val RecycleMemory: ConfKey[Long] = bytes("spark.sparkweld.compile.recycleMemory", "1g", Application,
    "A compile service whose resident memory exceeds this is replaced by a new one, between two requests. `0`: never.")
  val WarmupEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.compile.warmup.enabled", default = true, Application,
    "Start the compile service and load the classes of a first plan in the background when the application starts.")
  val CachedReplies: ConfKey[Int] = int("spark.sparkweld.compile.cachedReplies", 256, Application,
    "The number of compiled or refused pipelines that the driver caches.")
  val CacheDir: ConfKey[Option[String]] = text("spark.sparkweld.cache.dir", Application,
    "The folder of the object-code cache on the driver and on each executor, an absolute path. It is created with access for this " +
      "user only. A folder that other users own or can write is not used, with one warning. Unset: `~/.cache/sparkweld`.")
  val CacheMaxBytes: ConfKey[Long] = bytes("spark.sparkweld.cache.maxBytes", "256m", Application,
    "The size limit of the object-code cache. The least recently used entries are evicted first.")
  val CachedKernels: ConfKey[Int] = int("spark.sparkweld.kernel.cached", 256, Application,
    "The number of linked kernels that an executor caches. A kernel in use is never evicted.")
  val ModelsMemory: ConfKey[Long] = bytes("spark.sparkweld.models.memory", "1g", Application,
    "The memory limit for the constants of models. It applies off-heap in each executor, shared by its tasks, and on the driver " +
      "for models that no plan uses. The least recently used are evicted first; a model in use is never evicted.")
  val ModelFilesMaxBytes: ConfKey[Long] = bytes("spark.sparkweld.models.files.maxBytes", "1g", Session,
    "The largest file that a compiled pandas UDF may load a model from. The driver reads the file when it plans the query; a task " +
      "that finds a different file, or none, runs the UDF in Python. `0`: such UDFs are not compiled.")
  val MaxStringBytes: ConfKey[Long] = bytes("spark.sparkweld.kernel.maxTextBytes", "1g", Session,
    "The memory limit for the strings that a kernel builds for one batch. A batch that needs more runs in Python. " +
      "Substrings of an input do not count.")
  val GroupRows: ConfKey[Int] = int("spark.sparkweld.groups.maxRows", 1 << 20, Session,
    "The most rows of a group that a kernel takes for `applyInPandas` and aggregates, and that a task holds in memory. From the first larger " +
      "group on, the rest of the partition runs in Python.")
  val CacheChoice: ConfKey[Mode.Value] = ConfKey("spark.sparkweld.featureCache.mode", "one of auto, always, never", "auto",
    "Whether kernels cache results for repeated rows, within a batch and across batches. `auto`: while the cache is measured to be " +
      "faster than computing; `never`: not at all. The terms of strings are cached likewise, unless it is `never`.", Session,
    Mode.parse)
  val CacheMemory: ConfKey[Long] = bytes("spark.sparkweld.featureCache.maxBytes", "128m", Application,
    "The memory limit of this cache, off-heap in each executor. Entries without a hit are evicted first. `0`: no cache.")
  val StreamAfter: ConfKey[Int] = int("spark.sparkweld.fallback.streamAfter", 4, Session,
    "After this number of consecutive batches that had to run in Python, the rest of the partition streams through one Python run.")
  val DropsSlower: ConfKey[Boolean] = boolean("spark.sparkweld.kernel.dropSlower.enabled", default = true, Session,
    "Run a function as Spark planned it when its kernel is slower than Python, or when its guards leave most rows to Python. " +
      "This applies to the rest of the query and to the next queries. `explain` reports the measurement.")
  val ShadowFraction: ConfKey[Double] = ConfKey("spark.sparkweld.shadow.fraction", "number from 0 to 1", "0",
    "The share of batches that also run in Python, to compare the results with the kernel's. A difference logs one warning and " +
      "disables that kernel until the application ends.", Session, share)
  val CascadesPath: ConfKey[Option[String]] = text("spark.sparkweld.cascades.path", Session,
    "A folder of certified cascades on the driver, or the folder of one cascade. A UDF with the model of a cascade uses the " +
      "cascade. Its answers are those of the cascade, within the certified loss, not those of the model alone.")
  val RankingsPath: ConfKey[Option[String]] = text("spark.sparkweld.rankings.path", Session,
    "A folder of certified rankings on the driver, or the folder of one ranking. `orderBy(score desc).limit(k)` over a UDF that " +
      "returns the score of its model scores only candidates in full: the result has the rows that the ranking finds.")
  val ExplainEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.explain.enabled", default = true, Application,
    "Add to `df.explain()` and to the SQL page of the Spark UI which UDFs were compiled, and why others were not.")
  val ExplainFormat: ConfKey[String] = ConfKey("spark.sparkweld.explain.format", "one of text, json", "text",
    "The form of that part of `df.explain()`. `sparkweld.explain(df, format=\"dict\")` reads the JSON.", Session, format)

  val UiEnabled: ConfKey[Boolean] = boolean("spark.sparkweld.ui.enabled", default = true, Application,
    "Show the tab SparkWeld in the Spark UI, and write what became of the functions of each query to the event log.")

  val UntestedLines: ConfKey[Boolean] = boolean("spark.sparkweld.untestedLines.enabled", default = false, Application,
    "Also run on lines of Spark for which SparkWeld is built but not completely tested: 3.5 with the classes of " +
      "Spark Connect. For experiments only: rows may differ from Spark's there.")

  val all: Seq[ConfKey[_]] = Seq(Enabled, Deny, Allow, RolloutFraction, KillFile, ExactEnabled, BackendChoice, PushdownEnabled, LateMaterializationEnabled, TopKEnabled,
    ScoreBounds, FusionEnabled, PipelineEnabled, PipelineBlockRows, CompileTimeout, CompileCpuTime, TinyRows, ObjectTimeout,
    CompilePython, CompilePythonPath, Unpickle, ServiceMemory, RecycleMemory, WarmupEnabled, CachedReplies, CacheDir, CacheMaxBytes, CachedKernels, ModelsMemory, ModelFilesMaxBytes, MaxStringBytes, GroupRows, CacheChoice,
    CacheMemory, StreamAfter, DropsSlower, ShadowFraction, CascadesPath, RankingsPath, ExplainEnabled, ExplainFormat, UiEnabled,
    UntestedLines)

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
