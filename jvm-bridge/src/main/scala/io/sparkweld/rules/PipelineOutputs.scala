package io.sparkweld
package rules

import io.sparkweld.columns.NestedColumns
import io.sparkweld.ml.MlStages
import io.sparkweld.plan.NestedOutput

import org.apache.spark.sql.types.DataType

/** The source of a chain's column. */
private[rules] sealed trait Source
private[rules] final case class FromChild(index: Int) extends Source
private[rules] final case class Made(name: String, dataType: DataType) extends Source
private[rules] final case class MadeNested(names: Seq[String], dataType: DataType) extends Source

/**
 * Lists what a kernel stores (`names`, `types`), the structs, maps and vectors made of it, and the position of each output column of
 * the chain.
 *
 * A position in `layout` is an index into the child's batch (>= 0) or negative. Negative ones count from -1 downwards through the
 * kernel's columns, then the structs and maps, then the vectors.
 */
private[rules] final case class PipelineOutputs(
    names: Seq[String], types: Seq[DataType], nested: Seq[NestedOutput], vectors: Seq[String], layout: Array[Int])

private[rules] object PipelineOutputs {

  /** Collects the outputs; a column that occurs twice is stored once. */
  def apply(sources: Seq[Source]): PipelineOutputs = {
    val nested = sources.collect { case made: MadeNested => made }.distinct
    val vectors = sources.collect { case Made(name, dataType) if MlStages.isVector(dataType) => name }.distinct
    val parts = nested.flatMap { made =>
      made.names.zip((NestedColumns.of(made.dataType).get ++ NestedColumns.presenceOf(made.dataType)).map(_._2))
    }
    val columns = sources.collect { case Made(name, dataType) if !MlStages.isVector(dataType) => name -> dataType }
    val stored = (parts ++ columns).distinctBy(_._1)
    val places = stored.map(_._1).zipWithIndex.toMap
    val layout = sources.map {
      case FromChild(i) => i
      case Made(name, dataType) if MlStages.isVector(dataType) => -(stored.size + nested.size + vectors.indexOf(name) + 1)
      case Made(name, _) => -(places(name) + 1)
      case made: MadeNested => -(stored.size + nested.indexOf(made) + 1)
    }
    PipelineOutputs(stored.map(_._1), stored.map(_._2), nested.map(m => NestedOutput(m.dataType, m.names.map(places).toArray)), vectors,
      layout.toArray)
  }
}
