package io.sparkweld
package expressions

import io.sparkweld.plan.Threshold

import org.apache.spark.TaskContext
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Expression, ExprId, LeafExpression, Nondeterministic, TernaryExpression}
import org.apache.spark.sql.catalyst.expressions.codegen.{CodegenContext, ExprCode, FalseLiteral}
import org.apache.spark.sql.catalyst.expressions.codegen.Block._
import org.apache.spark.sql.types.{BooleanType, DataType, DoubleType}

/**
 * Tests whether some joined row may lift this row's score to the threshold; false only when none can.
 *
 * A score is `own` plus the contribution of a joined row. With `base` in place of `own`, that sum is at most `most`.
 *
 * Proof, with m = most - base: a score is at most own + m + slack * (|own| + |base| + 2 * size), because both scores are off by
 * at most `slack` times the sizes of their terms (see udf_compiler/backends/catalyst/parts.py). This bound grows with `own`. With
 * all = |threshold| + |most| + |base| + size, take own = threshold - m - 4 * slack * all: then |own| is less than
 * all * (1 + 4 * slack). So the bound is below the threshold there, by more than the rounding of these few operations, and below
 * it for every smaller `own`. NULL, NaN and infinities keep the row.
 *
 * @param above false: scores below the threshold count, and `most` is the least
 */
final case class MayReach(own: Expression, most: Expression, threshold: Expression, base: Double, size: Double, slack: Double, above: Boolean)
  extends TernaryExpression {
  override def first: Expression = own
  override def second: Expression = most
  override def third: Expression = threshold
  override def dataType: DataType = BooleanType
  override def nullable: Boolean = false
  override def prettyName: String = "may_reach"
  override def toString: String = s"$prettyName($own, $most, $threshold)"

  override def eval(input: InternalRow): Any =
    (own.eval(input), most.eval(input), threshold.eval(input)) match {
      case (o: Double, m: Double, t: Double) => MayReach.holds(o, m, t, base, size, slack, above)
      case _ => true
    }

  override protected def doGenCode(ctx: CodegenContext, ev: ExprCode): ExprCode = {
    val (o, m, t) = (own.genCode(ctx), most.genCode(ctx), threshold.genCode(ctx))
    val held = ctx.addReferenceObj("reach", new MayReach.Test(base, size, slack, above))
    ev.copy(isNull = FalseLiteral, code = code"""
      ${o.code}
      ${m.code}
      ${t.code}
      boolean ${ev.value} = ${o.isNull} || ${m.isNull} || ${t.isNull} || $held.holds(${o.value}, ${m.value}, ${t.value});""")
  }

  override protected def withNewChildrenInternal(first: Expression, second: Expression, third: Expression): Expression =
    copy(own = first, most = second, threshold = third)
}

object MayReach {

  /** Evaluates the test for generated code. */
  final class Test(base: Double, size: Double, slack: Double, above: Boolean) extends Serializable {
    def holds(own: Double, most: Double, threshold: Double): Boolean = MayReach.holds(own, most, threshold, base, size, slack, above)
  }

  private def holds(own: Double, most: Double, threshold: Double, base: Double, size: Double, slack: Double, above: Boolean): Boolean = {
    val lost = 4 * slack * (math.abs(threshold) + math.abs(most) + math.abs(base) + size)
    val least = threshold - (most - base)
    if (above) !(own < least - lost) else !(own > least + lost)
  }
}

/**
 * Returns the worst score that still counts for the WeldTopExec above in this task: see [[Threshold]]. Until it has enough rows,
 * and where no such node runs in this task, returns a start value that excludes no score.
 *
 * @param id distinguishes it from those of other queries
 * @param score the column of scores
 */
final case class WorstSoFar(id: Long, score: ExprId, descending: Boolean) extends LeafExpression with Nondeterministic {
  @transient private var threshold: Threshold = _

  override def dataType: DataType = DoubleType
  override def nullable: Boolean = false
  override def prettyName: String = "worst_so_far"
  override def toString: String = s"$prettyName(#${score.id})"

  private def start: Double = if (descending) Double.NegativeInfinity else Double.NaN

  override protected def initializeInternal(partitionIndex: Int): Unit = threshold = WorstSoFar.here(id)

  override protected def evalInternal(input: InternalRow): Any = threshold.orElse(start)

  override protected def doGenCode(ctx: CodegenContext, ev: ExprCode): ExprCode = {
    val held = ctx.addMutableState(classOf[Threshold].getName, "threshold")
    ctx.addPartitionInitializationStatement(s"$held = ${classOf[WorstSoFar].getName}.here(${id}L);")
    val first = if (descending) "Double.NEGATIVE_INFINITY" else "Double.NaN"
    ev.copy(isNull = FalseLiteral, code = code"final double ${ev.value} = $held.orElse($first);")
  }
}

object WorstSoFar {
  /** Returns the threshold of this task; outside of tasks, a new one that is never updated. */
  def here(id: Long): Threshold = Option(TaskContext.get()).fold(new Threshold)(Threshold.of(_, id))
}
