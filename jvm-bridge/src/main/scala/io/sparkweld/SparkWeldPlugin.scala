package io.sparkweld

import java.util.{Collections, Map => JMap}

import com.codahale.metrics.{Gauge, MetricRegistry}

import io.sparkweld.columns.RowCaches
import io.sparkweld.compile._
import io.sparkweld.plan.{Breakers, Races}
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.WarnOnce
import io.sparkweld.ui.WeldExplain

import org.apache.spark.{SPARK_VERSION, SparkContext}
import org.apache.spark.api.plugin.{DriverPlugin, ExecutorPlugin, PluginContext, SparkPlugin}
import org.apache.spark.internal.Logging

/**
 * Starts SparkWeld's two halves; users set `spark.plugins=io.sparkweld.SparkWeldPlugin`.
 *
 * The driver half owns the compile services and answers executors. The executor half owns the linked kernels. In local mode both
 * are in one JVM and share the compile service.
 */
class SparkWeldPlugin extends SparkPlugin {
  override def driverPlugin(): DriverPlugin = new SparkWeldDriverPlugin
  override def executorPlugin(): ExecutorPlugin = new SparkWeldExecutorPlugin
}

final class SparkWeldDriverPlugin extends DriverPlugin with Logging {
  private var half: Option[WeldDriver] = None

  override def init(context: SparkContext, plugin: PluginContext): JMap[String, String] = {
    WarnOnce.reset()
    Breakers.start(ask = None)
    Races.start(ask = None)
    if (CurrentSpark.supports(SPARK_VERSION)) {
      WarnOnce.guard("the start of the driver half", ())(start(context))
    } else {
      WarnOnce("version", s"SparkWeld: this jar supports Spark ${CurrentSpark.line}.x only and does nothing on Spark " +
        s"$SPARK_VERSION. Install the sparkweld release for your Spark.")
    }
    Collections.emptyMap()
  }

  private def start(context: SparkContext): Unit = {
    val conf = context.getConf
    if (SparkWeldConf.ExplainEnabled.get(conf)) {
      CurrentSpark.appendToList(context, "spark.sql.extendedExplainProviders", classOf[WeldExplain].getName)
    }
    val compiler = new Compiler(conf)
    val made = new WeldDriver(compiler, new FormServer(compiler, SparkWeldConf.ObjectTimeout.get(conf)))
    half = Some(made)
    SparkWeldRuntime.setDriver(half)
    if (SparkWeldConf.Enabled.get(conf) && SparkWeldConf.WarmupEnabled.get(conf)) compiler.warmUp(ServiceCommand.expected(conf))
  }

  override def registerMetrics(appId: String, plugin: PluginContext): Unit = half.foreach { driver =>
    def gauge(name: String)(value: => Long): Unit =
      plugin.metricRegistry.register(MetricRegistry.name("compile", name), new Gauge[Long] {
        override def getValue: Long = value
      })
    gauge("requests")(driver.compiler.asked.get)
    gauge("cachedReplies")(driver.compiler.answeredFromCache.get)
    gauge("refusals")(driver.compiler.refused.get)
    gauge("serviceStarts")(driver.compiler.starts)
    gauge("serviceFailures")(driver.compiler.failures)
  }

  override def receive(message: AnyRef): AnyRef =
    Breakers.receive(message).orElse(Races.receive(message)).orElse(half.map(_.server.receive(message))).orNull

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

  override def init(plugin: PluginContext, extraConf: JMap[String, String]): Unit = if (CurrentSpark.supports(SPARK_VERSION)) {
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
    }
    val loader = new FormLoader(fetch, compiler, local.isDefined)
    kernels = Some(new KernelRegistry(SparkWeldConf.CachedKernels.get(conf), loader.load))
    models = Some(new ModelMemory(SparkWeldConf.ModelsMemory.get(conf)))
    val tasks = conf.getInt("spark.executor.cores", Runtime.getRuntime.availableProcessors)
    caches = Some(new RowCaches(SparkWeldConf.CacheMemory.get(conf), tasks))
    SparkWeldRuntime.setExecutor(kernels, models, caches)
    plugin.metricRegistry.register(MetricRegistry.name("models", "bytes"), new Gauge[Long] {
      override def getValue: Long = SparkWeldRuntime.modelBytes
    })
    plugin.metricRegistry.register(MetricRegistry.name("featureCache", "bytes"), new Gauge[Long] {
      override def getValue: Long = SparkWeldRuntime.cacheBytes
    })
    plugin.metricRegistry.register(MetricRegistry.name("kernels", "loaded"), new Gauge[Int] {
      override def getValue: Int = SparkWeldRuntime.kernelsLoaded
    })
  }

  override def shutdown(): Unit = {
    SparkWeldRuntime.setExecutor(None, None, None)
    kernels.foreach(_.close())
    models.foreach(_.close())
    caches.foreach(_.close())
    own.foreach(_.close())
  }
}
