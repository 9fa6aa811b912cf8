package io.sparkweld
package rules

import java.nio.file.{Files, Paths}

import scala.util.hashing.MurmurHash3

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime}
import io.sparkweld.compile.Lru
import io.sparkweld.support.{NamePatterns, Refusal, RefusalTags}

import org.apache.hadoop.security.UserGroupInformation
import org.apache.spark.sql.catalyst.expressions.{Alias, PythonFuncExpression, PythonUDAF, ScalaUDF}
import org.apache.spark.sql.catalyst.plans.QueryPlan
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.internal.SQLConf

/**
 * Decides what operators leave to Spark: all queries (the kill switch), those of a user, job group, tag or pool, a share of the
 * queries (a gradual rollout), and functions by name.
 *
 * A value that cannot be parsed leaves every query to Spark: an operator who restricts SparkWeld must not get more of it by a typing
 * error.
 */
private[rules] object Controls {
  /** Whether any control differs from its default; asked for every query. */
  def areSet(conf: SQLConf): Boolean =
    SparkWeldRuntime.driver.exists(driver => driver.isOff || driver.killFile.nonEmpty) || SparkWeldConf.Deny.get(conf).nonEmpty ||
      SparkWeldConf.Allow.get(conf).nonEmpty || takesShare(conf)

  /** Whether only a share of the queries takes part. */
  def takesShare(conf: SQLConf): Boolean = !SparkWeldConf.RolloutFraction.get(conf).contains(1.0)

  /** Returns why the query of `plan` is left to Spark; None when its functions may be compiled. */
  def refusal[T <: QueryPlan[T]](plan: QueryPlan[T], conf: SQLConf): Option[Refusal] =
    killed.orElse(byName(conf)).orElse(byShare(plan, conf))

  /** Returns why the function `name` is left to Spark. The compile service checks modules. */
  def refusalOf(name: String, conf: SQLConf): Option[Refusal] = {
    val (denied, allowed) = (SparkWeldConf.Deny.get(conf), SparkWeldConf.Allow.get(conf))
    denied.find("function", name).map(pattern => left(s"the function $name", SparkWeldConf.Deny.key, s"it contains $pattern"))
      .orElse(Option.when(allowed.has("function") && allowed.find("function", name).isEmpty)(
        left(s"the function $name", SparkWeldConf.Allow.key, "no pattern of a function matches it")))
  }

  /** Records on the nodes with functions why they run as Spark planned them. */
  def record(plan: SparkPlan, refusal: Refusal): Unit = plan.foreach { node =>
    if (PythonNode.is(node) || PythonTableFunction.is(node)) RefusalTags.set(node, Seq(refusal))
    else if (KernelNode.is(node)) node.setTagValue(RefusalTags.Beside, Seq(refusal))
    node.expressions.foreach(_.foreach {
      case aggregate: PythonUDAF => RefusalTags.set(aggregate, Seq(refusal))
      case _ => ()
    })
  }

  private def killed: Option[Refusal] = SparkWeldRuntime.driver.flatMap { driver =>
    if (driver.isOff) Some(left("all queries", "sparkweld.set_enabled", "it turned SparkWeld off in this application"))
    else driver.killFile.filter(path => Files.exists(Paths.get(path))).map { path =>
      left("all queries", SparkWeldConf.KillFile.key, s"the file $path exists")
    }
  }

  /** Compares the names under which the query runs. */
  private def byName(conf: SQLConf): Option[Refusal] = {
    val (denied, allowed) = (SparkWeldConf.Deny.get(conf), SparkWeldConf.Allow.get(conf))
    if (denied.isEmpty && allowed.isEmpty) None
    else {
      val unreadable = Seq(SparkWeldConf.Deny -> denied, SparkWeldConf.Allow -> allowed).collectFirst {
        case (key, NamePatterns(_, Some(what))) => left("all queries", key.key, s"it cannot be parsed: $what")
      }
      def byDenied = QueryNames.kinds.iterator.flatMap { case (kind, names) =>
        if (denied.has(kind)) names().flatMap(denied.find(kind, _)) else Nil
      }.nextOption().map(pattern => left("the query", SparkWeldConf.Deny.key, s"it contains $pattern"))
      def byAllowed = QueryNames.kinds.collectFirst {
        case (kind, names) if allowed.has(kind) && !names().exists(allowed.find(kind, _).isDefined) =>
          left("the query", SparkWeldConf.Allow.key, s"no pattern of a $kind matches it")
      }
      unreadable.orElse(byDenied).orElse(byAllowed)
    }
  }

  private def byShare[T <: QueryPlan[T]](plan: QueryPlan[T], conf: SQLConf): Option[Refusal] =
    SparkWeldConf.RolloutFraction.get(conf) match {
      case None => Some(left("all queries", SparkWeldConf.RolloutFraction.key, "it is not a number from 0 to 1"))
      case Some(share) if share >= 1 => None
      case Some(share) => Rollout.place(plan).filter(_ >= share).map { place =>
          left("the query", SparkWeldConf.RolloutFraction.key, f"the query's place is $place%.4f, and the share is $share")
        }
    }

  private def left(what: String, setting: String, why: String): Refusal =
    Refusal("SW370", "what" -> what, "setting" -> setting, "why" -> why)
}

/** The names of the running query that patterns may mention. */
private object QueryNames {
  private val ConnectUser = "SparkConnect_OperationTag_User_(.*)_Session_.*".r

  /** Kind -> how to find the names of this thread's query. */
  val kinds: Map[String, () => Seq[String]] = Map(
    "user" -> (() => users),
    "group" -> (() => property("spark.jobGroup.id").toSeq),
    "tag" -> (() => tags),
    "pool" -> (() => Seq(property("spark.scheduler.pool").getOrElse("default"))))

  /** On Connect, the user of the client; otherwise the user that Spark's processes run as, or for whom a Thrift server acts. */
  private def users: Seq[String] = {
    val ofConnect = tags.collect { case ConnectUser(user) => user }
    if (ofConnect.nonEmpty) ofConnect
    else Seq(UserGroupInformation.getCurrentUser.getShortUserName)
  }

  private def tags: Seq[String] = property("spark.job.tags").toSeq.flatMap(_.split(',')).filter(_.nonEmpty)

  private def property(key: String): Option[String] = SparkWeldRuntime.driver.flatMap(_.property(key))
}

/**
 * Assigns each query a place between 0 and 1. A query takes part in a rollout when its place is below the share.
 *
 * The place depends on the names and types of the query's functions and on its operators. So a job that runs again takes part again,
 * in this application or another one. Rules see a query several times, and parts of it: the first place of a call counts.
 */
private object Rollout {
  private val places = new Lru[Long, Double](1 << 16)

  /** Returns the place of the query; None for a plan without functions. */
  def place[T <: QueryPlan[T]](plan: QueryPlan[T]): Option[Double] = {
    val (calls, functions) = callsOf(plan).unzip
    Option.when(calls.nonEmpty) {
      val place = calls.flatMap(places.get).headOption.getOrElse {
        val operators = plan.collectWithSubqueries { case node => node.nodeName }
        (MurmurHash3.orderedHash(functions.distinct.sorted ++ operators.sorted).toLong - Int.MinValue) / math.pow(2, 32)
      }
      calls.foreach(call => places.getOrElseUpdate(call, place))
      place
    }
  }

  /** Returns `made`, which a rule made of `plan`. Its new calls get the place of the query. */
  def inherited[T <: QueryPlan[T]](plan: T)(made: => T): T = {
    val place = callsOf(plan).flatMap { case (call, _) => places.get(call) }.headOption
    val result = made
    if (result ne plan) for (known <- place; (call, _) <- callsOf(result)) places.getOrElseUpdate(call, known)
    result
  }

  /** Returns the ids of the calls (see QueryPatience), each with a description that is the same in every application. */
  private def callsOf[T <: QueryPlan[T]](plan: QueryPlan[T]): Seq[(Long, String)] =
    plan.collectWithSubqueries { case node => node.expressions.flatMap(_.collect {
      case function: PythonFuncExpression => function.resultId.id -> s"${function.name} ${function.dataType.catalogString}"
      case alias @ Alias(_: ScalaUDF, _) => alias.exprId.id -> alias.dataType.catalogString
    }) }.flatten
}
