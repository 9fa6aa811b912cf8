package io.sparkweld.plan

import org.apache.spark.TaskContext
import org.apache.spark.sql.vectorized.ColumnarBatch

/** A batch through several WeldTasks, one over the other: what the last gives until it has no more. */
private final class StageRun(plans: Seq[TaskPlan], partition: Int, context: TaskContext) extends Iterator[ColumnarBatch] {
  private var waiting: Option[ColumnarBatch] = None

  private val source = new Iterator[ColumnarBatch] {
    override def hasNext: Boolean = waiting.isDefined
    override def next(): ColumnarBatch = {
      val batch = waiting.get
      waiting = None
      batch
    }
  }

  private val tasks = plans.scanLeft(Option.empty[WeldTask]) { (below, plan) =>
    Some(new WeldTask(plan, below.getOrElse(source), partition, context, isStage = true))
  }.flatten

  def start(batch: ColumnarBatch): Unit = waiting = Some(batch)

  def pythonInARow: Int = tasks.map(_.pythonInARow).max

  override def hasNext: Boolean = tasks.last.hasNext

  override def next(): ColumnarBatch = tasks.last.next()
}
