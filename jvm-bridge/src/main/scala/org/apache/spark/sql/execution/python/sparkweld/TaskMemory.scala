package org.apache.spark.sql.execution.python.sparkweld

import java.util.concurrent.ConcurrentHashMap

import io.sparkweld.nativelib.NoMemory

import org.apache.spark.TaskContext
import org.apache.spark.memory.{MemoryConsumer, MemoryMode, TaskMemoryManager}

/**
 * Asks Spark for the native memory of one task, where Spark manages any: `spark.memory.offHeap.enabled`. Otherwise Spark's pool is one
 * of heap, to which native memory does not belong; like that of Spark's own off-heap column vectors, it is then nobody's.
 */
final class TaskMemory private (manager: TaskMemoryManager) extends MemoryConsumer(manager, MemoryMode.OFF_HEAP) {

  /** `wanted` bytes, or else the `least` that will do; returns how many. Throws NoMemory when Spark has not so much. */
  def ask(wanted: Long, least: Long): Long =
    if (isGranted(wanted)) wanted
    else if (least < wanted && isGranted(least)) least
    else throw new NoMemory(s"Spark grants this task no more $least bytes of spark.memory.offHeap.size")

  def giveBack(bytes: Long): Unit = freeMemory(bytes)

  /** Kernels need all of their memory until a batch is done. */
  override def spill(size: Long, trigger: MemoryConsumer): Long = 0L

  private def isGranted(bytes: Long): Boolean = {
    val granted = acquireMemory(bytes)
    if (granted < bytes) freeMemory(granted)
    granted == bytes
  }
}

object TaskMemory {
  private val ofTasks = new ConcurrentHashMap[Long, TaskMemory]

  /** That of the task that runs in this thread; None where there is no task, or nothing to ask for. */
  def current: Option[TaskMemory] =
    for (context <- Option(TaskContext.get()); manager <- Option(context.taskMemoryManager()) if managesNative(manager))
      yield Option(ofTasks.get(context.taskAttemptId())).getOrElse {
        val made = new TaskMemory(manager)
        ofTasks.put(context.taskAttemptId(), made)
        context.addTaskCompletionListener[Unit](_ => ofTasks.remove(context.taskAttemptId()))
        made
      }

  private def managesNative(manager: TaskMemoryManager) = manager.getTungstenMemoryMode == MemoryMode.OFF_HEAP
}
