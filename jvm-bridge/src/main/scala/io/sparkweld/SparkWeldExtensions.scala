package io.sparkweld

import java.util.{Collections, WeakHashMap}

import io.sparkweld.rules.{AggregateRule, CascadeRule, ExpressionRule, ImpliedFilters, JoinBounds, LateMaterialization}
import io.sparkweld.rules.{OffHeapScans, QueryRule, RankingRule, RowBatchesRule, SortedCalls, TableFunctions, TopRowsRule}
import io.sparkweld.rules.{UnreadArguments, WeldRule}

import io.sparkweld.plan.OriginalStrategy
import io.sparkweld.spark.{BuiltFor, CurrentSpark}

import org.apache.spark.SPARK_VERSION
import org.apache.spark.sql.SparkSessionExtensions
import org.apache.spark.sql.SparkSessionExtensionsProvider
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.{ColumnarRule, SparkPlan}

/**
 * Registers every rule that SparkWeld adds to a session.
 *
 * Spark finds it by META-INF/services, on Classic and on Connect.
 *
 * {{{
 *   logical plan -> CascadeRule, SortedCalls,     -> Spark's optimizer -> physical plan (OriginalStrategy)
 *                   RankingRule, AggregateRule,       ImpliedFilters,         |
 *                   ExpressionRule (once, before      UnreadArguments and TableFunctions
 *                   operators move)                   in its fixed-point batches, then once JoinBounds
 *                                                     and LateMaterialization; last it extracts
 *                                                     Python UDFs into ArrowEvalPython
 *                                                                                       |
 *      adaptive execution off, or a plan without exchange      adaptive execution (once, and after every stage)
 *                            |                                                          |
 *                            |                              EnsureRequirements ...; WeldRule (so that explain shows it)
 *                            |                                                          |
 *         WeldRule (before columnar transitions)             per stage: WeldRule (again; nothing is left to do)
 *                            |                                                          |
 *                 Spark inserts RowToColumnar and ColumnarToRow
 *                                         |
 *                 TopRowsRule, RowBatchesRule (rows below and above kernels), OffHeapScans, then Spark collapses codegen stages
 * }}}
 *
 * The builders do no work, because Spark calls them for every query. No rule does anything unless the plugin's driver half runs.
 */
class SparkWeldExtensions extends SparkSessionExtensionsProvider {
  /** Adds the rules, once. On a Spark that the jar was not built for, it adds none: that Spark may lack their classes. */
  override def apply(extensions: SparkSessionExtensions): Unit =
    if (BuiltFor.supports(SPARK_VERSION) && SparkWeldExtensions.isNew(extensions)) add(extensions)

  private def add(extensions: SparkSessionExtensions): Unit = {
    CurrentSpark.injectRuleBeforeOptimizer(extensions, _ => new QueryRule(CascadeRule))
    CurrentSpark.injectRuleBeforeOptimizer(extensions, _ => new QueryRule(SortedCalls))
    CurrentSpark.injectRuleBeforeOptimizer(extensions, _ => new QueryRule(RankingRule))
    CurrentSpark.injectRuleBeforeOptimizer(extensions, _ => new QueryRule(AggregateRule))
    CurrentSpark.injectRuleBeforeOptimizer(extensions, _ => new QueryRule(ExpressionRule))
    extensions.injectOptimizerRule(_ => new QueryRule(ImpliedFilters))
    extensions.injectOptimizerRule(_ => new QueryRule(UnreadArguments))
    extensions.injectOptimizerRule(_ => new QueryRule(TableFunctions))
    extensions.injectPreCBORule(_ => new QueryRule(JoinBounds))
    extensions.injectPreCBORule(_ => new QueryRule(LateMaterialization))
    extensions.injectPlannerStrategy(_ => OriginalStrategy)
    extensions.injectColumnar(_ => SparkWeldExtensions.aroundTransitions)
    extensions.injectQueryStagePrepRule(_ => new QueryRule(WeldRule))
  }
}

object SparkWeldExtensions {
  private val known = Collections.synchronizedMap(new WeakHashMap[SparkSessionExtensions, java.lang.Boolean])

  private def isNew(extensions: SparkSessionExtensions): Boolean = known.putIfAbsent(extensions, true) == null

  private val aroundTransitions: ColumnarRule = new ColumnarRule {
    override def preColumnarTransitions: Rule[SparkPlan] = new QueryRule(WeldRule)
    override def postColumnarTransitions: Rule[SparkPlan] = plan => OffHeapScans(RowBatchesRule(TopRowsRule(plan)))
  }
}
