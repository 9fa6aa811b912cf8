package io.sparkweld
package contract

import scala.util.control.NonFatal

/**
 * Holds the constants that the JVM and Python share; `sparkweld/contract/constants.json` describes them.
 *
 * @param protocol the version of the messages and of the calling convention of kernels
 * @param batchStateEvalTypes functions that see the NULLs of their whole batch, as the dtype
 * @param certificates the files that identify the directories of cascades and rankings
 * @param sumTerms the terms of a sum whose order may differ between a function and its kernel
 * @param boundedNote begins the note on a program that skips rows by the bounds of their scores
 */
final case class Constants(
    protocol: Int,
    limits: Limits,
    evalTypes: EvalTypeNumbers,
    batchStateEvalTypes: Seq[Int],
    modelMemory: ModelMemoryHead,
    environment: Environment,
    certificates: Certificates,
    workerPipelines: WorkerPipelines,
    sumTerms: SumTerms,
    boundedNote: String)

/** The largest sizes in messages: of the JSON, the number of blobs, and the bytes of a blob in requests and in replies. */
final case class Limits(jsonBytes: Int, blobs: Int, requestBlobBytes: Long, replyBlobBytes: Long)

/** The numbers of PySpark's `PythonEvalType`. */
final case class EvalTypeNumbers(
    batched: Int,
    arrowBatched: Int,
    scalarPandas: Int,
    groupedMapPandas: Int,
    groupedAggPandas: Int,
    scalarPandasIterator: Int,
    mapPandas: Int,
    mapArrow: Int,
    scalarArrow: Int,
    scalarArrowIterator: Int,
    groupedAggArrow: Int)

/** The head of a program's memory: `headWords` state words, lookup counters and hit counters; `keeps` is a state. */
final case class ModelMemoryHead(headWords: Int, keeps: Int)

/** The environment variables that the JVM sets for a compile service. */
final case class Environment(
    workerPath: String,
    local: String,
    withheld: String,
    jobVariables: String,
    unpickle: String,
    maxMemory: String,
    cacheDir: String,
    cacheMaxBytes: String)

final case class Certificates(cascade: String, ranking: String)

/**
 * The interface of fused functions in workers.
 *
 * @param starts the keyword argument that is true in the first row of each batch
 * @param counters what a worker counts, in order: each an unsigned little-endian integer of `counterBytes` bytes
 */
final case class WorkerPipelines(starts: String, counterBytes: Int, counters: Seq[String])

final case class SumTerms(double: Int, float: Int)

object Constants {
  private val Resource = "sparkweld/constants.json"

  private implicit val limits: Decoder[Limits] = Decoder.of((Limits.apply _).curried)
  private implicit val evalTypes: Decoder[EvalTypeNumbers] = Decoder.of((EvalTypeNumbers.apply _).curried)
  private implicit val modelMemory: Decoder[ModelMemoryHead] = Decoder.of((ModelMemoryHead.apply _).curried)
  private implicit val environment: Decoder[Environment] = Decoder.of((Environment.apply _).curried)
  private implicit val certificates: Decoder[Certificates] = Decoder.of((Certificates.apply _).curried)
  private implicit val workerPipelines: Decoder[WorkerPipelines] = Decoder.of((WorkerPipelines.apply _).curried)
  private implicit val sumTerms: Decoder[SumTerms] = Decoder.of((SumTerms.apply _).curried)
  private implicit val decoder: Decoder[Constants] = Decoder.of((Constants.apply _).curried)

  /** Represents unknown constants, so that no class fails to load; the plugin does nothing with them. */
  private lazy val unknown = Constants(0, Limits(0, 0, 0L, 0L), EvalTypeNumbers(-1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -11), Nil,
    ModelMemoryHead(0, 0), Environment("", "", "", "", "", "", "", ""), Certificates("", ""), WorkerPipelines("", 0, Nil),
    SumTerms(0, 0), "")

  private lazy val loaded: Either[String, Constants] =
    try {
      val stream = getClass.getClassLoader.getResourceAsStream(Resource)
      if (stream == null) Left(s"$Resource is not in the jar")
      else
        try read(stream.readAllBytes())
        finally stream.close()
    } catch { case NonFatal(problem) => Left(s"$Resource cannot be read: $problem") }

  /** Returns the constants in a file, or why there are none. */
  private[contract] def read(json: Array[Byte]): Either[String, Constants] =
    Decoder.result[Constants](Encoder.read(json)).left.map(what => s"in $Resource, $what")

  /** Returns why the constants are unknown. */
  def problem: Option[String] = loaded.left.toOption

  def shared: Constants = loaded.getOrElse(unknown)
}
