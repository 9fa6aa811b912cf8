package io.sparkweld

import io.sparkweld.columns.RowCaches
import io.sparkweld.compile.{Compiler, FormServer, KernelRegistry, ModelMemory}
import io.sparkweld.rules.FullModels

import org.apache.spark.SparkContext

/** The driver half of the running application: its compiler, the server for executors' requests, and the full models. */
final class WeldDriver(context: SparkContext, val compiler: Compiler, val server: FormServer) {
  @volatile private var off = false

  /** Whether a user has turned SparkWeld off for new queries of all sessions. */
  def isOff: Boolean = off

  /** While this file exists, new queries are left to Spark. */
  val killFile: Option[String] = SparkWeldConf.KillFile.get(context.getConf)

  /** Returns a local property of this thread, such as the group of its jobs. */
  def property(key: String): Option[String] = Option(context.getLocalProperty(key))

  private[sparkweld] def setOff(value: Boolean): Unit = off = value

  /** The full models that replace cascades in comparison queries. */
  val cascades = new FullModels
}

/**
 * Shares the two halves of the plugin with the rest of this JVM.
 *
 * The plugin sets them; they are empty when it is not loaded.
 */
object SparkWeldRuntime {
  @volatile private var driverHalf: Option[WeldDriver] = None
  @volatile private var executorKernels: Option[KernelRegistry] = None
  @volatile private var executorModels: Option[ModelMemory] = None
  @volatile private var executorCaches: Option[RowCaches] = None

  /** Returns the driver half; None when `spark.plugins` does not name the plugin, or the plugin is inert. */
  def driver: Option[WeldDriver] = driverHalf

  /** Returns the kernels of this executor. Throws when the plugin's executor half is not loaded, which no WeldExec outlives. */
  def kernels: KernelRegistry = loaded(executorKernels)

  /** Returns the executor's memory of model blocks (constants). Throws as `kernels`. */
  def models: ModelMemory = loaded(executorModels)

  /** Returns the executor's caches of kernel outputs by row. Throws as `kernels`. */
  def caches: RowCaches = loaded(executorCaches)

  private def loaded[T](half: Option[T]): T = half.getOrElse(
    throw new IllegalStateException(s"${classOf[SparkWeldPlugin].getName} is not loaded in this executor"))

  /** Turns SparkWeld on or off for new queries of all sessions; `sparkweld.set_enabled` calls it. False: the plugin is not loaded. */
  def setEnabled(enabled: Boolean): Boolean = {
    driverHalf.foreach(_.setOff(!enabled))
    driverHalf.isDefined
  }

  private[sparkweld] def setDriver(half: Option[WeldDriver]): Unit = driverHalf = half

  private[sparkweld] def setExecutor(
      kernels: Option[KernelRegistry], models: Option[ModelMemory], caches: Option[RowCaches]): Unit = {
    executorKernels = kernels
    executorModels = models
    executorCaches = caches
  }

  private[sparkweld] def modelBytes: Long = executorModels.map(_.weight).getOrElse(0L)

  private[sparkweld] def cacheBytes: Long = executorCaches.map(_.bytes).getOrElse(0L)

  private[sparkweld] def kernelsLoaded: Int = executorKernels.map(_.size).getOrElse(0)
}
