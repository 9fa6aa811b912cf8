package io.sparkweld

import java.util.{Collections, Map => JMap}

import com.codahale.metrics.Gauge

import io.sparkweld.columns.RowCaches
import io.sparkweld.compile._
import io.sparkweld.contract.Constants
import io.sparkweld.host.ProcessMemory
import io.sparkweld.plan.{Breakers, Drift, Races}
import io.sparkweld.rules.FirstPlan
import io.sparkweld.spark.{BuiltFor, CurrentSpark}
import io.sparkweld.support.WarnOnce
import io.sparkweld.ui.{ApplicationTotals, QueryEvents, WeldExplain}

import org.slf4j.LoggerFactory

import org.apache.spark.{SPARK_VERSION, SparkConf, SparkContext}
import org.apache.spark.api.plugin.{DriverPlugin, ExecutorPlugin, PluginContext, SparkPlugin}
import org.apache.spark.internal.Logging

/**
 * Starts SparkWeld's two halves; users set `spark.plugins=io.sparkweld.SparkWeldPlugin`.
 *
 * The driver half owns the compile services and answers executors. The executor half owns the linked kernels. In local mode both
 * are in one JVM and share the compile service.
 */
class SparkWeldPlugin extends SparkPlugin {
  override def driverPlugin(): DriverPlugin = if (isSupported(warn = true)) new SparkWeldDriverPlugin else null

  override def executorPlugin(): ExecutorPlugin = if (isSupported(warn = false)) new SparkWeldExecutorPlugin else null

  /**
   * Whether the jar was built for this Spark. On another one, Spark gets no halves, and no further class of the jar is loaded: it
   * may refer to classes of Spark or Scala that are not there, and such an error would end the application.
   */
  private def isSupported(warn: Boolean): Boolean = {
    val supported = BuiltFor.supports(SPARK_VERSION)
    if (warn && !supported) {
      LoggerFactory.getLogger("io.sparkweld.SparkWeld").warn("SparkWeld: this jar supports Spark " + BuiltFor.line +
        ".x with Scala " + BuiltFor.scalaLine + " only and does nothing on Spark " + SPARK_VERSION + " with Scala " +
        BuiltFor.loadedScala + ". `python -m sparkweld jar --spark VERSION` prints the jar for another line.")
    }
    supported
  }
}

final class SparkWeldDriverPlugin extends DriverPlugin with Logging {
  private var half: Option[WeldDriver] = None

  override def init(context: SparkContext, plugin: PluginContext): JMap[String, String] = {
    WarnOnce.reset()
    if (!SparkWeldPlugin.isActive(context.getConf)) {
      val where = if (BuiltFor.tested) "with the classes of Spark Connect on Spark" else "on Spark"
      WarnOnce("version", s"SparkWeld: it is not completely tested $where ${BuiltFor.line} yet, and does nothing there. For " +
        s"experiments, set ${SparkWeldConf.UntestedLines.key}=true; rows may then differ from Spark's.")
    } else if (Constants.problem.nonEmpty) {
      WarnOnce("constants", s"SparkWeld: this jar is incomplete and does nothing: ${Constants.problem.mkString}. Install it again.")
    } else WarnOnce.guard("the start of the driver half", ())(start(context, plugin))
    Collections.emptyMap()
  }

  private def start(context: SparkContext, plugin: PluginContext): Unit = {
    Breakers.start(ask = None)
    Races.start(ask = None)
    Drift.start()
    val conf = context.getConf
    if (SparkWeldConf.ExplainEnabled.get(conf)) {
      CurrentSpark.appendToList(context, "spark.sql.extendedExplainProviders", classOf[WeldExplain].getName)
    }
    CurrentSpark.loadExtensions(context, classOf[SparkWeldExtensions])
    val showsTab = SparkWeldConf.UiEnabled.get(conf)
    context.addSparkListener(new QueryEvents(context, new ApplicationTotals(plugin.metricRegistry), showsTab))
    if (showsTab) WarnOnce.guard("the tab of the Spark UI", ())(CurrentSpark.showTab(context))
    val compiler = new Compiler(conf)
    val made = new WeldDriver(context, compiler, new FormServer(compiler, SparkWeldConf.ObjectTimeout.get(conf)))
    half = Some(made)
    SparkWeldRuntime.setDriver(half)
    if (SparkWeldConf.Enabled.get(conf) && SparkWeldConf.WarmupEnabled.get(conf)) {
      compiler.warmUp(ServiceCommand.expected(conf))(FirstPlan.prepare(conf))
    }
  }

  override def registerMetrics(appId: String, plugin: PluginContext): Unit = half.foreach { driver =>
    def gauge(name: String)(value: => Long): Unit = SparkWeldPlugin.gauge(plugin, name)(value)
    gauge("compile.requests")(driver.compiler.asked.get)
    gauge("compile.cachedReplies")(driver.compiler.answeredFromCache.get)
    gauge("compile.refusals")(driver.compiler.refused.get)
    gauge("compile.waitMillis")(driver.compiler.waitedMillis)
    gauge("compile.modelBytes")(driver.compiler.modelBytes)
    gauge("service.starts")(driver.compiler.starts)
    gauge("service.failures")(driver.compiler.failures)
    gauge("service.unavailable")(driver.compiler.unavailable)
    gauge("service.residentBytes")(driver.compiler.pids.flatMap(ProcessMemory.residentBytes(_)).sum)
    gauge("kernels.disabled")(Breakers.count)
    gauge("kernels.dropped")(Races.count)
  }

  override def receive(message: AnyRef): AnyRef =
    if (WarnOnce.receive(message)) null
    else Breakers.receive(message).orElse(Races.receive(message)).orElse(half.map(_.server.receive(message))).orNull

  override def shutdown(): Unit = {
    if (SparkWeldRuntime.driver == half) SparkWeldRuntime.setDriver(None)
    half.foreach(_.compiler.close())
    half = None
  }
}

final class SparkWeldExecutorPlugin extends ExecutorPlugin with Logging {
  private var own: Option[Compiler] = None
  private var kernels: Option[KernelRegistry] = None
  private var models: Option[ModelMemory] = None
  private var caches: Option[RowCaches] = None

  override def init(plugin: PluginContext, extraConf: JMap[String, String]): Unit = if (SparkWeldPlugin.isUsable(plugin.conf)) {
    val conf = plugin.conf
    val local = SparkWeldRuntime.driver
    val compiler = local.map(_.compiler).getOrElse {
      val made = new Compiler(conf)
      own = Some(made)
      made
    }
    val fetch: FormKey => FormCode = local match {
      case Some(driver) => driver.server.form
      case None => key => FormMessages.read(plugin.ask(FormMessages.encode(key)))
    }
    if (local.isEmpty) {
      Breakers.start(ask = Some(message => plugin.ask(message)))
      Races.start(ask = Some(message => plugin.ask(message)))
      WarnOnce.report((reason, text) => plugin.send(WarnOnce.encode(plugin.executorID, reason, text)))
    }
    val loader = new FormLoader(fetch, compiler, local.isDefined)
    kernels = Some(new KernelRegistry(SparkWeldConf.CachedKernels.get(conf), loader.load))
    models = Some(new ModelMemory(SparkWeldConf.ModelsMemory.get(conf)))
    val tasks = conf.getInt("spark.executor.cores", Runtime.getRuntime.availableProcessors)
    caches = Some(new RowCaches(SparkWeldConf.CacheMemory.get(conf), tasks))
    SparkWeldRuntime.setExecutor(kernels, models, caches)
    SparkWeldPlugin.gauge(plugin, "models.bytes")(SparkWeldRuntime.modelBytes)
    SparkWeldPlugin.gauge(plugin, "featureCache.bytes")(SparkWeldRuntime.cacheBytes)
    SparkWeldPlugin.gauge(plugin, "kernels.loaded")(SparkWeldRuntime.kernelsLoaded.toLong)
  }

  override def shutdown(): Unit = {
    SparkWeldRuntime.setExecutor(None, None, None)
    kernels.foreach(_.close())
    models.foreach(_.close())
    caches.foreach(_.close())
    own.foreach(_.close())
  }
}

private object SparkWeldPlugin {

  /** Whether both halves run here: where tests are not complete, they need a setting. */
  def isActive(conf: SparkConf): Boolean = isTested || SparkWeldConf.UntestedLines.get(conf)

  private def isTested: Boolean = BuiltFor.tested && (BuiltFor.testedOnConnect || !hasConnectServer)

  /** Whether this JVM may start a Connect server. Its class is only looked for: loading it would initialize the server. */
  private def hasConnectServer: Boolean = {
    val loader = Option(Thread.currentThread.getContextClassLoader).getOrElse(getClass.getClassLoader)
    loader.getResource("org/apache/spark/sql/connect/service/SparkConnectServer.class") != null
  }

  /** Registers a metric that is read when a sink reports. */
  def gauge(plugin: PluginContext, name: String)(value: => Long): Unit = {
    plugin.metricRegistry.register(name, new Gauge[Long] { override def getValue: Long = value })
    ()
  }

  /** Whether the halves also know the constants that Python shares. */
  def isUsable(conf: SparkConf): Boolean = isActive(conf) && Constants.problem.isEmpty
}
