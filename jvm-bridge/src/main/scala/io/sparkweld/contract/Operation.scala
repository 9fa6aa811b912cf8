package io.sparkweld
package contract

/** Names a question about the functions of a request, and the class of its answer. */
final class Operation[R] private (val name: String)(implicit val decoder: Decoder[R])

object Operation {
  /** A program for a kernel. */
  val Compile = new Operation[Compiled]("compile")

  /** An aggregate UDF by Spark's own aggregates. */
  val Aggregate = new Operation[AggregateReply]("aggregate")

  /** A UDF by an equivalent Catalyst expression. */
  val CatalystEquivalent = new Operation[EquivalentReply]("catalyst_equivalent")

  /** The conditions of columns that a filter implies. */
  val Implied = new Operation[ImpliedReply]("implied")

  /** A condition on one of two joined tables that a filter above them implies. */
  val SideCondition = new Operation[ImpliedReply]("side_condition")

  /** Whether the results do not depend on batches. */
  val Independent = new Operation[IndependentReply]("independent")

  /** Whether functions, even refused ones, change none of their arguments. */
  val KeepsArguments = new Operation[KeepsArgumentsReply]("keeps_arguments")

  /** The columns on which the results depend. */
  val Reads = new Operation[ReadsReply]("reads")

  /** A score by the terms of two joined tables. */
  val Parts = new Operation[PartsReply]("parts")

  /** Functions by one function for the Python worker. */
  val Fuse = new Operation[FusedReply]("fuse")

  /** A chain of plain functions by a kernel and one function for the Python worker. */
  val Cut = new Operation[CutReply]("cut")

  /** Annotated aggregate UDFs by states before a shuffle. */
  val Partial = new Operation[PartialReply]("partial")

  /** A function with certified cascades of its models. */
  val Cascade = new Operation[PayloadReply]("cascade")

  /** A function with the full models of its cascades. */
  val FullModel = new Operation[PayloadReply]("full_model")

  /** A table function by a plain function that returns an array. */
  val Table = new Operation[PayloadReply]("table")

  /** The small model of a certified ranking. */
  val Ranking = new Operation[RankingReply]("ranking")
}
