package io.sparkweld
package rules

import io.sparkweld.ml.MlStages
import io.sparkweld.plan.StructOutput

import org.apache.spark.sql.types.{DataType, StructType}

/** The source of a chain's column. */
private[rules] sealed trait Source
private[rules] final case class FromChild(index: Int) extends Source
private[rules] final case class Made(name: String, dataType: DataType) extends Source
private[rules] final case class MadeStruct(names: Seq[String], struct: StructType) extends Source

/**
 * Lists what a kernel stores (`names`, `types`), the structs and vectors made of it, and the position of each output column of
 * the chain.
 *
 * A position in `layout` is an index into the child's batch (>= 0) or negative. Negative ones count from -1 downwards through the
 * kernel's columns, then the structs, then the vectors.
 */
private[rules] final case class PipelineOutputs(
    names: Seq[String], types: Seq[DataType], structs: Seq[StructOutput], vectors: Seq[String], layout: Array[Int])

private[rules] object PipelineOutputs {

  /** Collects the outputs; a column that occurs twice is stored once. */
  def apply(sources: Seq[Source]): PipelineOutputs = {
    val structs = sources.collect { case struct: MadeStruct => struct }.distinct
    val vectors = sources.collect { case Made(name, dataType) if MlStages.isVector(dataType) => name }.distinct
    val fields = structs.flatMap(struct => struct.names.zip(struct.struct.fields.map(_.dataType)))
    val columns = sources.collect { case Made(name, dataType) if !MlStages.isVector(dataType) => name -> dataType }
    val stored = (fields ++ columns).distinctBy(_._1)
    val places = stored.map(_._1).zipWithIndex.toMap
    val layout = sources.map {
      case FromChild(i) => i
      case Made(name, dataType) if MlStages.isVector(dataType) => -(stored.size + structs.size + vectors.indexOf(name) + 1)
      case Made(name, _) => -(places(name) + 1)
      case struct: MadeStruct => -(stored.size + structs.indexOf(struct) + 1)
    }
    PipelineOutputs(stored.map(_._1), stored.map(_._2), structs.map(s => StructOutput(s.struct, s.names.map(places).toArray)), vectors,
      layout.toArray)
  }
}
