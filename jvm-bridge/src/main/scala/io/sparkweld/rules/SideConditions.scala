package io.sparkweld
package rules

import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.Operation
import io.sparkweld.spark.{CurrentSpark, EvalTypes}

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.plans.{InnerLike, LeftOuter, RightOuter}
import org.apache.spark.sql.catalyst.plans.logical.{Filter, Join, LogicalPlan, Project}
import org.apache.spark.sql.catalyst.trees.TreePattern.PYTHON_UDF
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.StructType

/**
 * Derives, from a filter by a plain UDF of several joined tables, conditions on the columns of one table.
 *
 * Spark evaluates these before the join, where the UDF itself filters after it.
 *
 * A condition holds for each row that the filter keeps and for each row for which a guard fails
 * (`udf_compiler.backends.catalyst.side_conditions`), so a function that raises for a joined row still does. It also holds for each
 * row with a NULL struct in a column of its side that the function reads.
 *
 * Exceptions: other Python functions in or below the filter, which fewer rows would reach. Functions above it, unless they are
 * proved to be row-local.
 */
private[rules] final class SideConditions(service: FunctionService, conf: SQLConf) extends PredicateHelper {
  import SideConditions._

  /**
   * Returns the conditions that a conjunct of a condition of `plan` implies for sides of a join.
   *
   * @param within the condition, of a filter or of an inner join
   * @param below the child of the filter, or the join, into which Spark moves a filter above it
   */
  def of(predicate: Expression, within: Expression, below: LogicalPlan, plan: LogicalPlan): Seq[Expression] = {
    val udfs = CatalystEquivalents.outermost(predicate)
    val alone = splitConjunctivePredicates(within).count(_.containsPattern(PYTHON_UDF)) == 1
    if (!alone || !udfs.forall(isPlain)) Nil
    else {
      val mine = sides(below).map(_.filter(predicate.references.contains)).filter(side => side.nonEmpty && side != predicate.references)
      if (mine.isEmpty || mine.size > MostSides || below.exists(node => runsPython(node, udfs))) Nil
      else {
        val found = mine.flatMap(ofSide(predicate, udfs, below, _))
        if (found.nonEmpty && isSafe(plan, udfs)) found else Nil
      }
    }
  }

  private def ofSide(predicate: Expression, udfs: Seq[PythonUDF], child: LogicalPlan, side: AttributeSet): Seq[Expression] = {
    val columns = CatalystEquivalents.columnsOf(Seq(child))
    val structs = AttributeSet(columns.filter(a => side.contains(a) && a.nullable && a.dataType.isInstanceOf[StructType]))
    val input = columns.map(a => if (structs.contains(a)) a.withNullability(false) else a)
    val request = FunctionRequest.ofFilter(Operation.SideCondition, udfs, predicate, input, conf).map { asked =>
      val others = asked.columns.collect { case (name, column) if !column.references.subsetOf(side) || mayMiss(column) => name }.toSeq
      asked.having(_.copy(others = Some(others)))
    }
    ImpliedFilters.explained(udfs, " before the join")(ImpliedFilters.answered(request, service, conf).map { condition =>
      (structs.toSeq.map(IsNull(_)) :+ condition).reduce[Expression](Or(_, _)).transform {
        case column: Attribute => child.output.find(_.exprId == column.exprId).getOrElse(column) // with its own nullability
      }
    })
  }

  /** Whether fewer rows, in other batches, change no result of the other functions of the plan. */
  private def isSafe(plan: LogicalPlan, asked: Seq[PythonUDF]): Boolean =
    new CatalystEquivalents(service, conf).batchesDoNotMatter(plan, udf => isPlain(udf) && (asked.exists(_.semanticEquals(udf)) || isPure(udf)))

  private def isPure(udf: PythonUDF): Boolean =
    FunctionRequest.of(Operation.Independent, udf, udf.references.toSeq, conf).flatMap(_.answer(service, conf)).isRight
}

private[rules] object SideConditions {
  /** Each side is a request. */
  private val MostSides = 4

  private def isPlain(udf: PythonUDF): Boolean = !udf.exists {
    case inside: PythonUDF => !EvalTypes.isPlain(inside.evalType)
    case _ => false
  }

  /** Whether it is a field of an inner struct that may be NULL: for such a row, a function receives None in place of the struct. */
  private def mayMiss(column: Expression): Boolean = column.exists {
    case GetStructField(inner: GetStructField, _, _) => inner.nullable
    case _ => false
  }

  /** Whether the node runs Python functions other than those of `asked`. */
  private def runsPython(node: LogicalPlan, asked: Seq[PythonUDF]): Boolean =
    CurrentSpark.runsPython(node) || node.expressions.exists(_.exists {
      case udf: PythonUDF => !asked.exists(_.exists(_.semanticEquals(udf)))
      case _: PythonFuncExpression => true
      case _ => false
    })

  /** Returns the columns of each table of the joins below, where Spark moves a filter above them to that table. */
  private def sides(plan: LogicalPlan): Seq[AttributeSet] = plan match {
    case Join(left, right, kind, _, _) =>
      def of(side: LogicalPlan): Seq[AttributeSet] = Some(sides(side)).filter(_.nonEmpty).getOrElse(Seq(side.outputSet))
      kind match {
        case _: InnerLike => of(left) ++ of(right)
        case LeftOuter => of(left)
        case RightOuter => of(right)
        case _ => Nil
      }
    case Project(list, child) if list.forall(_.deterministic) =>
      sides(child).map(side => AttributeSet(list.collect {
        case column: Attribute if side.contains(column) => column
        case alias: Alias if alias.references.nonEmpty && alias.references.subsetOf(side) => alias.toAttribute
      }))
    case Filter(condition, child) if condition.deterministic => sides(child)
    case _ => Nil
  }
}
