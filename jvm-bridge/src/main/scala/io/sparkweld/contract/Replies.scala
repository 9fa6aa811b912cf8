package io.sparkweld
package contract

import com.fasterxml.jackson.databind.JsonNode

/** Represents the answer that rows have the same results in every batch; a refusal is the contrary. */
final case class IndependentReply()

object IndependentReply {
  implicit val decoder: Decoder[IndependentReply] = Decoder.of(IndependentReply())
}

/** Represents the answer that functions change none of their arguments; a refusal is the contrary. */
final case class KeepsArgumentsReply()

object KeepsArgumentsReply {
  implicit val decoder: Decoder[KeepsArgumentsReply] = Decoder.of(KeepsArgumentsReply())
}

/** The greeting of a service: its protocol, the versions of its libraries, and the CPU of its object code. */
final case class HelloReply(
    protocol: Int,
    pid: Long,
    versions: Map[String, Option[String]],
    cpu: Option[String],
    cpuName: Option[String],
    cpuFeatures: Option[String],
    llvmlite: Option[String],
    vectorMath: String,
    numbaError: Option[String])

object HelloReply {
  implicit val decoder: Decoder[HelloReply] = Decoder.of((HelloReply.apply _).curried)
}

/** The object code of a program, whose bytes are the reply's blob. */
final case class ObjectReply(
    symbol: String,
    imports: Seq[String],
    cpu: String,
    memory: Long,
    cached: Boolean,
    seconds: Double,
    warning: Option[String])

object ObjectReply {
  implicit val decoder: Decoder[ObjectReply] = Decoder.of((ObjectReply.apply _).curried)
}

/** The reasons of a refusal. `retire`: the service was interrupted and must end; `payload`: by this function. */
final case class Refused(refusals: Seq[RefusalRecord], retire: Option[Boolean], payload: Option[Int], seconds: Option[Seconds])

object Refused {
  implicit val decoder: Decoder[Refused] = Decoder.of((Refused.apply _).curried)
}

final case class RefusalRecord(
    code: String,
    title: String,
    message: String,
    hint: String,
    place: String,
    udf: Option[String],
    step: Option[Int])

object RefusalRecord {
  implicit val decoder: Decoder[RefusalRecord] = Decoder.of((RefusalRecord.apply _).curried)
}

/** A fault of the service. */
final case class ErrorReply(message: String, trace: String)

object ErrorReply {
  implicit val decoder: Decoder[ErrorReply] = Decoder.of((ErrorReply.apply _).curried)
}

/** The files and modules on which an answer depends, beside its other keys. */
final case class Dependencies(
    files: Option[Seq[ModelFile]],
    modules: Option[Seq[UserModule]],
    searched: Option[Seq[SearchedPath]],
    libraries: Option[Map[String, String]])

object Dependencies {
  implicit val decoder: Decoder[Dependencies] = Decoder.of((Dependencies.apply _).curried)
}

/** A file that a function loads: `path` as written there, or its name among the files of the job. */
final case class ModelFile(path: String, ofJob: Boolean, bytes: Long, modified: Long, digest: String)

object ModelFile {
  implicit val decoder: Decoder[ModelFile] = Decoder.of((ModelFile.apply _).curried)
}

/** A module that a function imports. `installed`: with a package, whose version identifies it. */
final case class UserModule(name: String, path: String, bytes: Long, modified: Long, digest: String, installed: Option[Boolean])

object UserModule {
  implicit val decoder: Decoder[UserModule] = Decoder.of((UserModule.apply _).curried)
}

/** A folder or archive where a module would be found first. */
final case class SearchedPath(path: String, modified: Long)

object SearchedPath {
  implicit val decoder: Decoder[SearchedPath] = Decoder.of((SearchedPath.apply _).curried)
}

/** A program in text form with its inputs, outputs and properties; compile.Compiled describes them. */
final case class Compiled(
    program: String,
    hash: String,
    blocks: Seq[Block],
    inputs: Seq[String],
    outputs: Seq[OutputColumn],
    vectors: Seq[VectorShape],
    watched: Seq[Watch],
    filtered: Boolean,
    flags: Boolean,
    guarded: Boolean,
    piecewise: Boolean,
    batchwise: Option[String],
    batchRows: Int,
    repeatable: Boolean,
    kept: Seq[Approximation],
    singlePrecision: Boolean,
    nodes: Int,
    udfs: Seq[UdfNotes],
    fused: Seq[String],
    seconds: Seconds)

object Compiled {
  implicit val decoder: Decoder[Compiled] = Decoder.of((Compiled.apply _).curried)
}

/** A block of constants. */
final case class Block(digest: String, bytes: Long)

object Block {
  implicit val decoder: Decoder[Block] = Decoder.of((Block.apply _).curried)
}

final case class OutputColumn(name: String, `type`: String, nullable: Boolean)

object OutputColumn {
  implicit val decoder: Decoder[OutputColumn] = Decoder.of((OutputColumn.apply _).curried)
}

/** An ML vector among the outputs. */
final case class VectorShape(size: Int, form: String)

object VectorShape {
  implicit val decoder: Decoder[VectorShape] = Decoder.of((VectorShape.apply _).curried)
}

/** The rows on which a certificate was tested; compile.Watch describes them. */
final case class Watch(
    path: String,
    edges: Seq[Double],
    counts: Seq[Long],
    limit: Int,
    differs: Long,
    band: Double,
    labels: Boolean,
    sureCost: Double,
    fullCost: Double)

object Watch {
  implicit val decoder: Decoder[Watch] = Decoder.of((Watch.apply _).curried)
}

/** An approximate operation and the bound of its error. */
final case class Approximation(op: String, bound: String) {
  def text: String = s"$op ($bound)"
}

object Approximation {
  implicit val decoder: Decoder[Approximation] = Decoder.of((Approximation.apply _).curried)
}

final case class UdfNotes(name: String, notes: Seq[String])

object UdfNotes {
  implicit val decoder: Decoder[UdfNotes] = Decoder.of((UdfNotes.apply _).curried)
}

/** The time that a compilation took. */
final case class Seconds(trace: Double, optimize: Double)

object Seconds {
  implicit val decoder: Decoder[Seconds] = Decoder.of((Seconds.apply _).curried)
}

/** A function by Spark's own aggregates; `result` is an expression over the columns aggregate0, aggregate1, ... */
final case class AggregateReply(
    aggregates: Seq[SparkAggregate],
    columns: Seq[RowColumn],
    result: Expression,
    kept: Seq[Approximation],
    notes: Seq[String],
    udfs: Seq[UdfNotes])

object AggregateReply {
  implicit val decoder: Decoder[AggregateReply] = Decoder.of((AggregateReply.apply _).curried)
}

/** An aggregate of `expr`, which "rows" lacks. `states`: it covers the whole partition of a window, regardless of the frame. */
final case class SparkAggregate(kind: String, expr: Option[Expression], `type`: String, states: Boolean)

object SparkAggregate {
  implicit val decoder: Decoder[SparkAggregate] = Decoder.of((SparkAggregate.apply _).curried)
}

/** A value of each row that a Python function computes. `payload`: its command. */
final case class RowColumn(name: String, payload: Hex, args: Seq[String], `type`: JsonNode)

object RowColumn {
  implicit val decoder: Decoder[RowColumn] = Decoder.of((RowColumn.apply _).curried)
}

/** Equivalent Catalyst expressions, one for each output. `nodes`: the number of the program's values. */
final case class EquivalentReply(results: Seq[Expression], nodes: Int, kept: Seq[Approximation], notes: Seq[String])

object EquivalentReply {
  implicit val decoder: Decoder[EquivalentReply] = Decoder.of((EquivalentReply.apply _).curried)
}

/** Conditions on columns that hold wherever the request's filter does. */
final case class ImpliedReply(bounds: Seq[Expression])

object ImpliedReply {
  implicit val decoder: Decoder[ImpliedReply] = Decoder.of(ImpliedReply.apply _)
}

/** The inputs on which the results depend. */
final case class ReadsReply(inputs: Seq[String])

object ReadsReply {
  implicit val decoder: Decoder[ReadsReply] = Decoder.of(ReadsReply.apply _)
}

/** A score as a sum of a number and the terms of strings; `udf_compiler.backends.catalyst.parts` describes it. */
final case class PartsReply(
    own: Expression,
    allowed: Expression,
    base: Double,
    size: Double,
    slack: Double,
    texts: Seq[String],
    missing: Option[Double])

object PartsReply {
  implicit val decoder: Decoder[PartsReply] = Decoder.of((PartsReply.apply _).curried)
}

/** Groups of functions that one plan computes in a Python worker. */
final case class FusedReply(fused: Seq[FusedGroup])

object FusedReply {
  implicit val decoder: Decoder[FusedReply] = Decoder.of(FusedReply.apply _)
}

/**
 * Functions of one plan.
 *
 * @param udfs the numbers of the functions
 * @param arguments the source of each argument: a function and the number of its argument
 * @param payloads the command of each function; `metrics`: that of the function that returns counters
 * @param saves nanoseconds per row; negative: cost
 */
final case class FusedGroup(
    udfs: Seq[Int],
    arguments: Seq[Seq[Int]],
    payloads: Seq[Hex],
    stages: Seq[String],
    block: String,
    moved: String,
    saves: Double,
    repeats: Boolean,
    metrics: Hex)

object FusedGroup {
  implicit val decoder: Decoder[FusedGroup] = Decoder.of((FusedGroup.apply _).curried)
}

/**
 * A chain of functions in two parts.
 *
 * @param functions the number of inner functions that a kernel computes, with results of the type `type`
 * @param payload the command of a function of this result and of the chain's arguments
 */
final case class CutReply(functions: Int, `type`: JsonNode, payload: Hex)

object CutReply {
  implicit val decoder: Decoder[CutReply] = Decoder.of((CutReply.apply _).curried)
}

/**
 * Commands of a partial aggregation: `before` and `after` the shuffle. `parts` and `finish`: the elements of
 * each function's state, and the command that computes the results of them, where Spark can aggregate all elements.
 */
final case class PartialReply(
    before: Hex,
    after: Hex,
    kept: Seq[Approximation],
    parts: Option[Seq[Seq[AggregateReply]]],
    finish: Option[Hex])

object PartialReply {
  implicit val decoder: Decoder[PartialReply] = Decoder.of((PartialReply.apply _).curried)
}

/** A function with its model replaced: its command, absent when it holds no such model; and the certificates' paths. */
final case class PayloadReply(payload: Option[Base64], paths: Option[Seq[String]])

object PayloadReply {
  implicit val decoder: Decoder[PayloadReply] = Decoder.of((PayloadReply.apply _).curried)
}

/**
 * The function that scores by the small model of a ranking: its command, and nothing when the function holds no model.
 *
 * @param limit rows that score above it are candidates
 * @param least the smallest last score of an answer; `most`: the largest
 * @param fewest the smallest number of rows of a query
 */
final case class RankingReply(
    payload: Option[Base64],
    limit: Option[Double],
    least: Option[Double],
    most: Option[Double],
    fewest: Option[Int],
    path: Option[String])

object RankingReply {
  implicit val decoder: Decoder[RankingReply] = Decoder.of((RankingReply.apply _).curried)
}
