package io.sparkweld
package columns

import java.util.concurrent.ConcurrentHashMap

import io.sparkweld.nativelib.NoMemory
import io.sparkweld.spark.CurrentSpark

import org.apache.spark.TaskContext
import org.apache.spark.memory.{MemoryConsumer, MemoryMode, TaskMemoryManager}

/**
 * Accounts the native memory of one task with Spark, when Spark manages off-heap memory (`spark.memory.offHeap.enabled`).
 *
 * Otherwise Spark's pool covers the heap only; native memory is then unaccounted, like that of Spark's own off-heap column
 * vectors.
 */
final class TaskMemory private (manager: TaskMemoryManager) extends MemoryConsumer(manager, MemoryMode.OFF_HEAP) {

  /**
   * Acquires `wanted` bytes, or else at least `least`; returns the number acquired. Throws NoMemory when Spark does not grant
   * `least`.
   */
  def ask(wanted: Long, least: Long): Long =
    if (isGranted(wanted)) wanted
    else if (least < wanted && isGranted(least)) least
    else throw new NoMemory(s"Spark does not grant this task another $least bytes of spark.memory.offHeap.size")

  def giveBack(bytes: Long): Unit = freeMemory(bytes)

  /** Spills nothing: kernels need all of their memory until a batch is done. */
  override def spill(size: Long, trigger: MemoryConsumer): Long = 0L

  private def isGranted(bytes: Long): Boolean = {
    val granted = acquireMemory(bytes)
    if (granted < bytes) freeMemory(granted)
    granted == bytes
  }
}

object TaskMemory {
  private val ofTasks = new ConcurrentHashMap[Long, TaskMemory]

  /** Returns that of the task that runs in this thread; None without a task, or when Spark manages no native memory. */
  def current: Option[TaskMemory] =
    for (context <- Option(TaskContext.get()); manager <- Option(CurrentSpark.memoryManager(context)) if managesNative(manager))
      yield Option(ofTasks.get(context.taskAttemptId())).getOrElse {
        val made = new TaskMemory(manager)
        ofTasks.put(context.taskAttemptId(), made)
        context.addTaskCompletionListener[Unit](_ => ofTasks.remove(context.taskAttemptId()))
        made
      }

  private def managesNative(manager: TaskMemoryManager) = manager.getTungstenMemoryMode == MemoryMode.OFF_HEAP
}
